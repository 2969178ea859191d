"""Real runtimes, a real image, and p2player daemons between them.

Every test here is in one xdist group: the seed and the images are shared, and two runtimes unpacking at once only slow
each other down. Most tests are about a small image; a real one of 200 MB is there for those that are about real ones.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.daemons import Daemon
from netsim.emulate.debian import GREETING, debian_image
from netsim.emulate.kinds import KINDS
from netsim.emulate.packages import current_runtimes
from netsim.emulate.processes import ProgramError, run
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Containerd, Dockerd, Mirrored, Podman

HERE = Path(__file__).parent

APP = "registry.example/team/app:1"
"""The image's name in a registry that does not exist."""

HUB_APP = "docker.io/library/app:1"
"""The image's name as `docker pull app:1` means it."""

HUB_DEBIAN = "docker.io/library/debian:1"
"""The name of the large image."""

STOOD_FOR = {"containerd-1.6", "dockerd-28.5"}
"""Kinds of runtime that are like others where time is short: each program is there once."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads what group they are in
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))
            item.add_marker(pytest.mark.timeout(300))


def nowhere(node):
    """The registry that does not exist, mirrored by a node."""
    return Mirrored("registry.example", "https://registry.example", node.registry)


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
    """An image of a few layers. A container of it prints the greeting."""
    require("busybox")
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory:
        yield busybox_image(Path(directory) / "image", GREETING, ballast=24 << 20)


@pytest.fixture(scope="session")
def debian(require):
    """A real and large image. A container of it prints the greeting."""
    require("debootstrap", "apt-get", "dpkg-deb")
    try:
        return debian_image()
    except ProgramError as error:
        cannot_run(f"no image: {error}")


@pytest.fixture(scope="session")
def programs(require):
    """The tree of today's runtimes."""
    require("apt-get", "dpkg-deb", "runc")
    try:
        return current_runtimes()
    except ProgramError as error:
        cannot_run(f"no runtimes: {error}")


@pytest.fixture(
    params=[
        pytest.param(kind, id=kind.title, marks=pytest.mark.faults if kind.title in STOOD_FOR else ()) for kind in KINDS
    ]
)
def kind(request, require):
    """Each kind of runtime in turn."""
    require(*request.param.tools)
    if request.param.is_current:
        request.getfixturevalue("programs")
    return request.param


@pytest.fixture(scope="session")
def seed(image):
    """A node that was given the image under both names. It is the only one that ever saw the layout."""
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory, Daemon(Path(directory) / "seed") as daemon:
        for name in (APP, HUB_APP):
            daemon.p2player("seed", f"oci:{image.layout}", "--as", name)
        yield daemon


@pytest.fixture
def seeded_debian(seed, debian):
    """The large image, which the seed now has as well."""
    seed.p2player("seed", f"oci:{debian.layout}", "--as", HUB_DEBIAN)
    return debian


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
    """Check that the node fetched the image, or another one, once and all of it from peers."""

    def fetched(image=image):
        status = node.status()
        assert (status.peer, status.upstream) == (image.total, 0)

    return fetched


@pytest.fixture
def registry(require, directory):
    """A registry that nothing was pushed to yet."""
    require("docker-registry", "skopeo", "busybox")
    root = directory / "registry"
    root.mkdir()
    with Registry(root) as registry:
        yield registry


@pytest.fixture
def dockerd(require, node, directory):
    """A dockerd that has the node as mirror of Docker Hub."""
    require("dockerd", "docker", "containerd", "runc")
    root = directory / "docker"
    root.mkdir()
    with Dockerd(root, [Mirrored("docker.io", "https://registry-1.docker.io", node.registry)]) as runtime:
        yield runtime


@pytest.fixture
def containerd(require, node, directory):
    """A containerd that has the node as mirror of the registry that does not exist."""
    require("containerd", "ctr", "runc")
    root = directory / "containerd"
    root.mkdir()
    with Containerd(root, [nowhere(node)]) as runtime:
        yield runtime


@pytest.fixture
def podman(require, node, directory):
    """A podman that has the node as mirror of the registry that does not exist."""
    require("podman", "buildah", "runc")
    root = directory / "podman"
    root.mkdir()
    return Podman(root, [nowhere(node)])


@pytest.fixture
def skopeo(require):
    require("skopeo")

    def skopeo(*arguments):
        return run(["skopeo", *arguments])

    return skopeo
