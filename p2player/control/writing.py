"""Writing what the daemon has pulled to a place of this process."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from p2player.control.client import ControlClient
from p2player.errors import BadInput
from p2player.oci.destination import Destination
from p2player.oci.digest import Digest
from p2player.oci.layout import split_name
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCTET_STREAM
from p2player.pull.events import PullResult


async def write_out(daemon: ControlClient, pulled: PullResult, destination: Destination) -> None:
    """Write the image or blob that was pulled, and put it in place. Raises BadInput if it has no place there."""
    if pulled.documents:
        documents = [await _document(daemon, digest) for digest in pulled.documents]
        destination.begin(pulled.name, documents[0], documents)
        descriptors = [child for document in documents for child in document.children]
    elif destination.holds_images:
        raise BadInput(f"{pulled.root} is a blob and no image", hint="write it to a plain file")
    else:
        sizes = {blob.digest: blob.size for blob in await daemon.blobs()}
        descriptors = [Descriptor(OCTET_STREAM, pulled.root, sizes[pulled.root])]
    pulled_blobs = set(pulled.blobs)
    for descriptor in descriptors:
        if descriptor.digest in pulled_blobs and destination.wants(descriptor):
            await _copy(daemon, descriptor, destination)
    await asyncio.to_thread(destination.commit)


async def _document(daemon: ControlClient, digest: Digest) -> Document:
    return Document.parse(b"".join([chunk async for chunk in daemon.read(digest)]), digest=digest)


async def _copy(daemon: ControlClient, descriptor: Descriptor, destination: Destination) -> None:
    with destination.writer(descriptor) as writer:
        async with aclosing(daemon.read(descriptor.digest)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(writer.write, chunk)


def directory_of(spec: str) -> Path:
    """Return the directory in which the destination that spec names is or will be."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "oci":
            path, _ = split_name(rest)
        case "oci-archive" | "docker-archive":
            path = Path(rest)
        case _:
            path = Path(spec)
    return path.absolute().parent
