"""Real runtimes, a real image, and p2player daemons between them.

Every test here is in one xdist group: the seed and the image are shared, and two runtimes unpacking at once only slow
each other down.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.debian import debian_image
from netsim.emulate.processes import ProgramError, run
from netsim.emulate.runtimes import Containerd, Dockerd, Podman

HERE = Path(__file__).parent

APP = "registry.example/team/app:1"
"""The image's name in a registry that does not exist."""

HUB_APP = "docker.io/library/app:1"
"""The image's name as `docker pull app:1` means it."""


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))
            item.add_marker(pytest.mark.timeout(300))


def cannot_run(reason):
    """Skip on a user's machine. Where everything is meant to be there, fail."""
    if os.environ.get("CI") == "true" or os.environ.get("P2PLAYER_REQUIRE_E2E") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require():
    def require(*tools):
        if os.geteuid() != 0:
            cannot_run("needs root")
        if missing := [tool for tool in tools if shutil.which(tool) is None]:
            cannot_run(f"not installed: {' '.join(missing)}")

    return require


@pytest.fixture(scope="session")
def image(require):
    require("debootstrap", "apt-get", "dpkg-deb")
    try:
        return debian_image()
    except ProgramError as error:
        cannot_run(f"no image: {error}")


@pytest.fixture(scope="session")
def seed(image):
    """A node that was given the image under both names. It is the only one that ever saw the layout."""
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory, Daemon(Path(directory) / "seed") as daemon:
        for name in (APP, HUB_APP):
            daemon.p2player("seed", f"oci:{image.layout}", "--as", name)
        yield daemon


@pytest.fixture
def directory():
    """A directory of a short name, since paths of Unix sockets in it must be short, removed afterwards: it gets large."""
    with tempfile.TemporaryDirectory(prefix="p2e-") as name:
        yield Path(name)


@pytest.fixture
def node(seed, directory):
    """A node without any image, joined to the seed."""
    with Daemon(directory / "node", join=[seed.cluster]) as daemon:
        yield daemon


@pytest.fixture
def fetched(image, node):
    """Check that the node fetched the image once, all of it from peers."""

    def fetched():
        status = node.status()
        assert (status.peer, status.upstream) == (image.total, 0)

    return fetched


@pytest.fixture
def dockerd(require, node, directory):
    """A dockerd that has the node as mirror of Docker Hub."""
    require("dockerd", "docker", "containerd", "runc")
    root = directory / "docker"
    root.mkdir()
    with Dockerd(root, mirror=node.registry) as runtime:
        yield runtime


@pytest.fixture
def containerd(require, directory):
    require("containerd", "ctr", "runc")
    root = directory / "containerd"
    root.mkdir()
    with Containerd(root) as runtime:
        yield runtime


@pytest.fixture
def podman(require, node, directory):
    """A podman that has the node as mirror of the registry that does not exist."""
    require("podman", "buildah", "runc")
    root = directory / "podman"
    root.mkdir()
    return Podman(root, mirrors=[("registry.example", node.registry)])


@pytest.fixture
def skopeo(require):
    require("skopeo")

    def skopeo(*arguments):
        return run(["skopeo", *arguments])

    return skopeo
