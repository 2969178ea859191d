"""Blobs that lie in somebody else's store, a container runtime's, and are offered from there.

Each is a symbolic link among the blobs, so it takes no room, and is gone from the disk as soon as its owner removes it.
The owner's files are read and nothing else. A link is believed as long as its file has the size, time and inode number
that it had when it was hashed; where that no longer holds at a start, the link is dropped without a word.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from p2player.errors import DigestMismatch
from p2player.oci.digest import Digest
from p2player.store.hashing import hash_file
from p2player.store.inventory import Inventory
from p2player.store.merkle import MerkleTree
from p2player.store.origins import Origin
from p2player.store.rows import Adopted, Entry, FileMark, StoredBlob

UNKNOWN: Final = "unknown:"
"""In the place of a repository: nobody here can tell where it came from. No real one is called so."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A file of somebody else's that was hashed and is the blob it is named by."""

    path: Path
    digest: Digest
    tree: MerkleTree
    mark: FileMark

    def is_unchanged(self) -> bool:
        """Tell whether the file is still there as it was."""
        return FileMark.of(self.path) == self.mark


def measure(path: Path, digest: Digest, progress: Callable[[int], None]) -> Measured:
    """Return what hashing says of a file; progress hears of each chunk's size in bytes.

    Raises DigestMismatch if it is another blob or no regular file, FileNotFoundError if it is gone.
    """
    mark = FileMark.of(path)
    if mark is None:
        raise DigestMismatch(f"{path} is not a regular file")
    actual, tree = hash_file(path, digest.algorithm, progress)
    if actual != digest:
        raise DigestMismatch(f"{path} has the content of {actual}")
    return Measured(path, digest, tree, mark)


class AdoptedBlobs:
    """Those of one store. The methods may be called from any thread; they wait for the disk."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def owners(self) -> dict[Digest, str]:
        """Return all that are offered, and whose they are."""
        return {digest: row.owner for digest, row in self._inventory.catalog.adopted().items()}

    def take(self, measured: Iterable[Measured], owner: str) -> list[StoredBlob]:
        """Return the blobs that are offered from where they lie from now on: those not here yet, and still there.

        Whether their owner needed a login for them nobody here can tell. So one that is known from no repository is
        private until a registry shows it to all.
        """
        inventory = self._inventory
        with inventory.lock:
            new = [one for one in measured if inventory.catalog.get(one.digest) is None and one.is_unchanged()]
            entries = [(one, Entry.read(one.path, one.digest, one.tree)) for one in new]
            try:
                for one in new:
                    inventory.layout.point(one.digest, one.path)
                with inventory.change() as change:
                    for one, entry in entries:
                        change.add(entry)
                        change.adopt(one.digest, Adopted(owner, one.mark))
                        if not inventory.catalog.origins(one.digest):
                            change.add_origin(Origin(one.digest, UNKNOWN, private=True))
            except BaseException:
                for one in new:
                    inventory.layout.unlink(one.digest)
                raise
            return [entry.blob for _, entry in entries]

    def release(self, digests: Iterable[Digest]) -> None:
        """Offer these no longer, as far as they are their owner's and not ours."""
        with self._inventory.lock:
            adopted = self._inventory.catalog.adopted()
            if mine := [digest for digest in digests if digest in adopted]:
                self._inventory.remove(mine)
