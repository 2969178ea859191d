"""`make demo`: a cluster of three real nodes on this machine, and an image that no registry ever saw."""

import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from netsim.demo.environment import KINDS, environment_image
from netsim.demo.registryclient import NotVerifiedError, Received, RegistryClient
from netsim.demo.story import Delivery, Fetched, Story
from netsim.emulate.daemons import Daemon, LocalCluster
from netsim.emulate.processes import ProgramError
from netsim.image import Image, digest_of_file
from p2player.cli.output import size_text

REPOSITORY: Final = "demo.example/team/app"
TAG: Final = "1"
NAME: Final = f"{REPOSITORY}:{TAG}"
_INTERRUPTED: Final = 130


def main() -> int:
    """Run the demo and return its exit code; whatever it started and wrote is gone by then."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Short, since the paths of the control sockets below it must be.
        with tempfile.TemporaryDirectory(prefix="p2demo-") as directory:
            tell(Story(), Path(directory))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except ProgramError as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    return 0


def tell(story: Story, directory: Path) -> None:
    """Show an image on its way from one node to two others. Raises ProgramError if anything is not as it should be."""
    story.title("p2player: an image goes from machine to machine, with no registry in between")
    story.step("Packing this Python environment into an image; that takes neither a registry nor Docker nor root.")
    image = environment_image(directory / "image", TAG)
    story.note(f"{NAME}: {len(image.sizes)} blobs, {size_text(image.total)}, {image.digest}")

    story.step("Starting three nodes. Nodes 2 and 3 hold nothing, and are told only the address of node 1.")
    with LocalCluster(directory, 3) as cluster:
        seed, fetcher, server = cluster.nodes
        names = {}
        for number, node in enumerate(cluster.nodes, 1):
            names[node.status().node_id[:8]] = f"node {number}"
            story.note(f"node {number}: cluster {node.cluster}, registry endpoint {node.registry}")

        story.step("Node 1 takes the image in, and tells the others by the DHT what it holds.")
        story.command(f"p2player seed oci:image --as {NAME}")
        seed.p2player("seed", f"oci:{image.layout}", "--as", NAME)

        story.step("Node 2 looks up who holds it, and fetches it piece by piece into an image layout of its own.")
        story.command(f"p2player fetch {NAME} --output oci:copy")
        fetched = fetch(fetcher, directory / "copy", names)
        verify_copy(image, directory / "copy")

        story.step("Node 3 is asked as a container runtime asks a registry. It passes on what it fetches, as it comes.")
        story.note(f"GET http://{server.registry}/v2/{REPOSITORY}/manifests/{TAG}, then every blob that it names")
        pulled = pull(RegistryClient(server.registry), image)
        status = server.status()
        story.note(
            f"{size_text(status.peer)} came from nodes 1 and 2, and {size_text(status.upstream)} from elsewhere."
        )

    story.deliveries(
        Delivery(digest, kind, size, fetched.get(digest), pulled[digest].seconds)
        for kind, (digest, size) in zip(KINDS, image.sizes.items(), strict=True)
    )
    story.step("Every byte was hashed at both nodes, and what it hashed to is what it was asked for by. To go on:")
    story.note("make run                                      a node that your container runtime can pull through")
    story.note(".venv/bin/p2player seed docker-daemon:IMAGE   puts an image of yours into the cluster")
    story.note(".venv/bin/p2player --help                     shows what else there is")
    story.note("make bench                                    measures all this on your machine")


def fetch(node: Daemon, copy: Path, names: Mapping[str, str]) -> dict[str, Fetched]:
    """Return how each blob came to a node that did not have it; the image is in the layout directory copy then."""
    lines = node.p2player("fetch", NAME, "--output", f"oci:{copy}", "--json").splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {
        event["digest"]: Fetched(event["seconds"], [(names.get(peer, peer), count) for peer, count in event["by_peer"]])
        for event in events
        if event["event"] == "progress"
    }


def verify_copy(image: Image, copy: Path) -> None:
    """Raise NotVerifiedError unless every blob of the image is in the copied layout, with the content its name says."""
    received = Image.open(copy)
    if received.digest != image.digest:
        raise NotVerifiedError(f"asked for {image.digest} and got {received.digest}")
    for digest in image.sizes:
        actual = digest_of_file(received.path(digest))
        if digest != actual:
            raise NotVerifiedError(f"{received.path(digest)} has the bytes of {actual}")


def pull(registry: RegistryClient, image: Image) -> dict[str, Received]:
    """Return how the manifest and then every blob it names came. Raises NotVerifiedError if any is not the image's."""
    received, raw = registry.manifest(REPOSITORY, TAG)
    if received.digest != image.digest:
        raise NotVerifiedError(f"{NAME} is {image.digest}, and the endpoint says {received.digest}")
    manifest = json.loads(raw)
    blobs = [registry.blob(REPOSITORY, blob["digest"]) for blob in (manifest["config"], *manifest["layers"])]
    return {blob.digest: blob for blob in (received, *blobs)}


if __name__ == "__main__":
    sys.exit(main())
