"""Hashing everything again, to find what the disk has changed since."""

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from p2player.oci.digest import Digest
from p2player.store.hashing import hash_file
from p2player.store.inventory import Inventory
from p2player.store.rows import Entry, StoredBlob

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one blob. One that is not `ok` is no longer in the store."""

    digest: Digest
    size: int
    ok: bool
    reason: str = ""


def verify(inventory: Inventory, progress: Callable[[int], None]) -> Iterator[Checked]:
    """Return what is found about each blob, as it is found; progress hears of bytes as they are hashed.

    Damaged blobs go to quarantine, missing ones are forgotten, and a hash tree that is wrong is put right.
    """
    for blob in inventory.catalog.blobs():
        if (checked := check(inventory, blob, progress)) is not None:
            yield checked


def check(inventory: Inventory, blob: StoredBlob, progress: Callable[[int], None]) -> Checked | None:
    """Return what is found about one blob, None if it was removed meanwhile; see `verify`."""
    try:
        return _check(inventory, blob, progress)
    except FileNotFoundError:
        return _missing(inventory, blob)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return _unreadable(inventory, blob)


def _check(inventory: Inventory, blob: StoredBlob, progress: Callable[[int], None]) -> Checked | None:
    path = inventory.layout.path(blob.digest)
    actual, tree = hash_file(path, blob.digest.algorithm, progress)
    with inventory.lock:
        if inventory.catalog.get(blob.digest) is None:
            return None  # removed meanwhile
        adopted = inventory.catalog.adopted().get(blob.digest)
        if actual != blob.digest:
            inventory.quarantine(blob.digest)
            if adopted:
                return Checked(blob.digest, blob.size, ok=False, reason=f"{adopted.owner} has changed it; left alone")
            return Checked(blob.digest, blob.size, ok=False, reason=f"content of {actual}; moved to quarantine")
        if (tree.root, tree.piece_layer) == (blob.root, inventory.catalog.piece_layer(blob.digest)):
            return Checked(blob.digest, blob.size, ok=True)
        with inventory.change() as change:
            change.add(Entry.read(path, blob.digest, tree))
            if adopted:
                change.adopt(blob.digest, adopted)
    return Checked(blob.digest, blob.size, ok=True, reason="its hash tree was wrong and is put right")


def _unreadable(inventory: Inventory, blob: StoredBlob) -> Checked | None:
    with inventory.lock:
        if inventory.catalog.get(blob.digest) is None:
            return None  # removed meanwhile
        inventory.quarantine(blob.digest)
    return Checked(blob.digest, blob.size, ok=False, reason="the disk cannot read it; moved to quarantine")


def _missing(inventory: Inventory, blob: StoredBlob) -> Checked | None:
    with inventory.lock:
        if inventory.catalog.get(blob.digest) is None:
            return None  # removed meanwhile
        if inventory.layout.pointer(blob.digest):
            return None  # its owner has removed it, and whoever follows that will withdraw it
        inventory.drop(blob.digest)
    return Checked(blob.digest, blob.size, ok=False, reason="its file is gone")
