"""Both hashes of a blob in one pass: the flat one that names it, and the tree that names its torrent."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from p2player.oci.digest import Digest
from p2player.store.merkle import MerkleHasher, MerkleTree

_READ = 1024 * 1024


class BlobHasher:
    """Takes the bytes of a blob once, in their order."""

    def __init__(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self._flat = hashlib.new(algorithm)
        self._tree = MerkleHasher()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self._flat.update(data)
        self._tree.update(data)

    def finish(self) -> tuple[Digest, MerkleTree]:
        """Return the digest and the tree of all bytes taken."""
        return Digest(self._algorithm, self._flat.hexdigest()), self._tree.finish()


def hash_file(
    path: Path, algorithm: str, progress: Callable[[int], None] = lambda _: None
) -> tuple[Digest, MerkleTree]:
    """Return digest and tree of a file's content; progress hears of each chunk's size in bytes once it is hashed."""
    hasher = BlobHasher(algorithm)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            hasher.update(chunk)
            progress(len(chunk))
    return hasher.finish()


def tree_of_file(path: Path) -> MerkleTree:
    """Return the tree of a file's content, whose digest is known."""
    hasher = MerkleHasher()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            hasher.update(chunk)
    return hasher.finish()
