"""How long a node takes to answer for a manifest or config that it does not have, the lookup in the DHT included."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Final

from bench.figures import MILLISECONDS, AtMost, Figure, Outcome, Samples
from bench.probe import get
from bench.workspace import Workspace
from netsim.emulate.daemons import Daemon, LocalCluster
from netsim.image import Image, ImageWriter, add_file

_REPOSITORY: Final = "bench.example/app"
_NODES: Final = 5
_IMAGES: Final = 20
_LIMIT: Final = 20  # milliseconds


def manifests(workspace: Workspace) -> Iterator[Outcome]:
    """Yield the latencies of many manifests, each asked for once of a node, by tag and by digest."""
    workspace.say(f"manifests: {_IMAGES} images in a cluster of {_NODES} nodes")
    directory = workspace.directory_for("cluster")
    with LocalCluster(directory, _NODES) as cluster:
        images = {f"{number}": _seed_image(workspace, cluster.nodes[0], f"{number}") for number in range(_IMAGES)}
        by_tag, by_digest = cluster.nodes[-2:]
        paths = [f"manifests/{tag}" for tag in images]
        yield _latency("manifest from a peer, by tag", by_tag, paths)
        paths = [f"manifests/{image.digest}" for image in images.values()]
        yield _latency("manifest from a peer, by digest", by_digest, paths)
        paths = [f"blobs/{image.config}" for image in images.values()]
        yield _latency("config from a peer", by_digest, paths)
    shutil.rmtree(directory)


def _seed_image(workspace: Workspace, node: Daemon, tag: str) -> Image:
    writer = ImageWriter(workspace.path("image"))
    with writer.layer() as archive:
        add_file(archive, "tag", tag.encode())
    image = writer.finish(tag, ["/tag"])
    node.p2player("seed", f"oci:{image.layout}", "--as", f"{_REPOSITORY}:{tag}")
    return image


def _latency(subject: str, node: Daemon, paths: Sequence[str]) -> Figure:
    seconds = [get(node.registry, f"/v2/{_REPOSITORY}/{path}").whole for path in paths]
    return Figure(subject, MILLISECONDS, Samples.of([each * 1000 for each in seconds]), target=AtMost(_LIMIT))
