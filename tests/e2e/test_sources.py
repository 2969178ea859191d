"""Images that leave a runtime and come back to another one, never having been in a registry."""

import hashlib

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.debian import GREETING
from netsim.emulate.runtimes import Dockerd, Mirrored, Podman
from tests.wrongbytes import require_same

LOCAL = "team/built:1"


@pytest.fixture
def builder(require, skopeo, image, directory):
    """A dockerd that already has the image, under a name that was never pushed."""
    require("dockerd", "docker", "containerd", "runc")
    root = directory / "builder"
    root.mkdir()
    with Dockerd(root) as runtime:
        archive = directory / "image.tar"
        skopeo("copy", f"oci:{image.layout}:1", f"docker-archive:{archive}:{LOCAL}")
        runtime.docker("load", "--input", str(archive))
        archive.unlink()
        yield runtime


@pytest.fixture
def origin(builder, directory):
    """A node on the builder's machine."""
    with Daemon(directory / "origin", env={"DOCKER_HOST": builder.host}) as daemon:
        yield daemon


@pytest.fixture
def neighbour(origin, directory):
    with Daemon(directory / "neighbour", join=[origin.cluster]) as daemon:
        yield daemon


def test_an_image_goes_from_one_dockerd_to_another_that_loads_what_was_fetched(origin, neighbour, directory):
    origin.p2player("seed", f"docker-daemon:{LOCAL}", "--as", "registry.example/team/built:1")
    archive = directory / "fetched.tar"
    neighbour.p2player("fetch", "registry.example/team/built:1", "--output", f"docker-archive:{archive}")
    root = directory / "other"
    root.mkdir()
    with Dockerd(root) as other:
        other.docker("load", "--input", str(archive))
        assert other.run("registry.example/team/built:1") == f"{GREETING}\n"
    assert neighbour.status().upstream == 0


def test_what_docker_save_wrote_is_pulled_and_run_by_podman(builder, origin, neighbour, require, directory):
    require("podman")
    archive = directory / "saved.tar"
    builder.docker("save", "--output", str(archive), LOCAL)
    origin.p2player("seed", f"docker-archive:{archive}", "--as", "registry.example/team/built:1")
    archive.unlink()
    root = directory / "podman"
    root.mkdir()
    podman = Podman(root, [Mirrored("registry.example", "https://registry.example", neighbour.registry)])
    podman.pull("registry.example/team/built:1")
    assert podman.run("registry.example/team/built:1") == f"{GREETING}\n"
    assert neighbour.status().upstream == 0


def test_a_plain_file_is_fetched_by_its_digest(seed, node, directory):
    source, target = directory / "notes.bin", directory / "copy.bin"
    content = bytes(range(256)) * 20_000
    source.write_bytes(content)
    seed.p2player("seed", str(source))
    node.p2player("fetch", f"sha256:{hashlib.sha256(content).hexdigest()}", "--output", str(target))
    require_same(target.read_bytes(), content)
