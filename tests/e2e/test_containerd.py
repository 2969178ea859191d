from netsim.emulate.debian import GREETING

APP = "registry.example/team/app"


def test_containerd_pulls_an_unmodified_name_through_hosts_toml_and_runs_it(containerd, fetched):
    containerd.pull(f"{APP}:1")
    assert containerd.run(f"{APP}:1") == f"{GREETING}\n"
    fetched()


def test_containerd_pulls_by_digest_from_the_endpoint_and_runs_it(containerd, node, image, fetched):
    reference = f"{node.registry}/{APP}@{image.digest}"
    containerd.pull(reference)
    assert containerd.run(reference) == f"{GREETING}\n"
    fetched()
