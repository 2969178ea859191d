"""What is in a store, as its users see it."""

import asyncio
import threading
from collections.abc import AsyncGenerator

from p2player.control.messages import Image
from p2player.control.ports import Holdings
from p2player.oci.digest import Digest
from p2player.oci.manifest import Index
from p2player.store.rows import NameRow
from p2player.store.store import Store
from p2player.store.verify import Checked


def list_images(store: Store) -> list[Image]:
    """Return the images that have a name here, in the order of their names."""
    sizes = {blob.digest: blob.size for blob in store.blobs()}
    return [_image(store, row, sizes) for row in store.names()]


def _image(store: Store, row: NameRow, sizes: dict[Digest, int]) -> Image:
    here: set[Digest] = set()
    complete = _collect(store, row.descriptor.digest, sizes, here)
    return Image(row.reference, row.descriptor.digest, sum(sizes[digest] for digest in here), complete)


def _collect(store: Store, digest: Digest, sizes: dict[Digest, int], here: set[Digest]) -> bool:
    """Add what is here of a blob and all it needs to here, and tell whether that is enough to run it."""
    if digest not in sizes:
        return False
    here.add(digest)
    document = store.document(digest)
    if document is None:
        return True
    children = [child.digest for child in document.children]
    present = [_collect(store, child, sizes, here) for child in children if child in sizes]
    if isinstance(document.content, Index):
        return all(present) and bool(present or not children)
    return all(present) and len(present) == len(children)


async def verify_blobs(store: Store, holdings: Holdings) -> AsyncGenerator[Checked, None]:
    """Yield what is found about each blob; a damaged one is offered no longer. Who stops early stops the hashing."""
    stopped = threading.Event()

    def go_on(_: int) -> None:
        if stopped.is_set():
            raise _StoppedError

    blobs = {blob.digest: blob for blob in store.blobs()}
    found = store.verify(go_on)
    try:
        while (checked := await asyncio.to_thread(next, found, None)) is not None:
            if not checked.ok:
                await holdings.drop([blobs[checked.digest]])
            yield checked
    finally:
        stopped.set()


class _StoppedError(Exception):
    """Ends the hashing, in a thread that nobody waits for."""
