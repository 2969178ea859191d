"""Images of a real registry, pulled by their own names through nodes that have never seen them."""

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.daemons import LocalCluster
from netsim.emulate.processes import free_port
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Mirrored

ALIAS = "open.example"
"""The registry's name for those who cannot use the one with its port."""


@pytest.fixture(scope="module")
def registry(require):
    require("docker-registry", "skopeo", "busybox")
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory, Registry(Path(directory)) as registry:
        yield registry


@pytest.fixture(scope="module")
def nodes(registry):
    """Two nodes that may ask the registry, under each of its names."""
    names = (registry.name, ALIAS, "docker.io")
    upstreams = [part for name in names for part in ("--upstream", f"{name}={registry.url}")]
    with (
        tempfile.TemporaryDirectory(prefix="p2e-") as directory,
        LocalCluster(Path(directory), 2, *upstreams) as cluster,
    ):
        yield cluster.nodes


@pytest.fixture
def image(kind, registry, directory):
    """An image that only the registry has, and that no other test pulls."""
    image = busybox_image(directory / "image", f"hello {kind.title}", ballast=4 << 20)
    registry.fill(image, f"library/{kind.title}:1")
    return image


@pytest.fixture
def mirrored(kind, registry):
    """The registry under the name that this kind of runtime uses."""
    return Mirrored(kind.name_of(registry), registry.url, None)


@pytest.fixture
def reference(kind, mirrored):
    return f"{mirrored.registry}/library/{kind.title}:1"


@pytest.fixture
def start(kind, mirrored, directory):
    """Give a runtime of this kind that asks endpoints before the registry itself."""

    def start(name, *endpoints):
        root = directory / name
        root.mkdir()
        return kind.start(root, [replace(mirrored, endpoint=endpoint) for endpoint in endpoints])

    return start


def test_a_pull_comes_from_the_registry_once_and_then_from_the_neighbour_while_it_is_down(
    kind, registry, nodes, image, reference, start
):
    first, second = nodes
    before = first.status()
    with start("first", first.registry) as runtime:
        runtime.pull(reference)
        assert runtime.run(reference) == f"hello {kind.title}\n"
    after = first.status()
    assert (after.upstream - before.upstream, after.peer - before.peer) == (image.total, 0)

    before = second.status()
    registry.stop()
    try:
        with start("second", second.registry) as runtime:
            runtime.pull(reference)
            assert runtime.run(reference) == f"hello {kind.title}\n"
    finally:
        registry.start()
    after = second.status()
    assert (after.upstream - before.upstream, after.peer - before.peer) == (0, image.total)
    assert sum(registry.sent(image).values()) + image.sizes[image.digest] == image.total


def test_a_pull_succeeds_as_fast_without_the_node_that_it_was_to_go_through(
    kind, registry, image, reference, start, directory
):
    stopped = f"127.0.0.1:{free_port()}"
    # dockerd's older store knows no registry behind its mirrors but the real Docker Hub
    itself = (registry.name,) if kind.names == "hub" else ()

    def seconds(runtime):
        begin = time.monotonic()
        runtime.pull(reference)
        taken = time.monotonic() - begin
        runtime.remove(reference)
        return taken

    with start("direct", *(itself or (None,))) as direct, start("mirrored", stopped, *itself) as mirrored:
        added = [seconds(mirrored) - seconds(direct) for _ in range(3)]
    assert statistics.median(added) < 2
