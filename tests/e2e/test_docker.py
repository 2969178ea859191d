import pytest

from netsim.emulate.debian import GREETING


def test_dockerd_pulls_a_hub_name_by_tag_through_its_mirror_and_runs_it(dockerd, fetched):
    dockerd.docker("pull", "app:1")
    assert dockerd.run("app:1") == f"{GREETING}\n"
    fetched()


@pytest.mark.faults
def test_dockerd_pulls_a_large_image_through_its_mirror_and_runs_it(dockerd, seeded_debian, fetched):
    dockerd.docker("pull", "debian:1")
    assert dockerd.run("debian:1") == f"{GREETING}\n"
    fetched(seeded_debian)


def test_dockerd_pulls_a_hub_name_by_digest_through_its_mirror_and_runs_it(dockerd, image, fetched):
    dockerd.docker("pull", f"app@{image.digest}")
    assert dockerd.run(f"app@{image.digest}") == f"{GREETING}\n"
    fetched()


def test_dockerd_pulls_from_the_endpoint_with_the_registry_as_first_path_part_and_runs_it(
    dockerd, node, image, fetched
):
    reference = f"{node.registry}/registry.example/team/app:1"
    assert f"Digest: {image.digest}\n" in dockerd.docker("pull", reference)
    assert dockerd.run(reference) == f"{GREETING}\n"
    fetched()
