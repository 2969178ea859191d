"""What the catalog knows of a blob and of a name."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, sniff
from p2player.store.merkle import MerkleTree


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A whole, verified blob in the store."""

    digest: Digest
    size: int
    root: bytes
    """The root of its BitTorrent v2 tree: 32 bytes, none for an empty blob."""
    media_type: str | None
    """That of a manifest or index; None for any other blob, whose type only its manifest knows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is kept of one blob; made from the blob alone, so a lost catalog can be made again."""

    blob: StoredBlob
    piece_layer: bytes
    children: tuple[Digest, ...] = ()
    """The blobs that a manifest or index needs."""
    subject: Digest | None = None
    """The manifest that this one says something about (OCI referrers)."""

    @classmethod
    def read(cls, path: Path, digest: Digest, tree: MerkleTree) -> Self:
        """Return the entry of a verified file."""
        document = sniff(path.read_bytes()) if tree.size <= MAX_DOCUMENT else None
        if document is None:
            return cls(StoredBlob(digest, tree.size, tree.root, None), tree.piece_layer)
        subject = document.content.subject
        return cls(
            StoredBlob(digest, tree.size, tree.root, document.media_type),
            tree.piece_layer,
            tuple(child.digest for child in document.children),
            subject.digest if subject else None,
        )


@dataclass(frozen=True, slots=True)
class FileMark:
    """By what to tell that a file of somebody else's is still the one that was hashed."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the mark of a regular file, or None if there is none."""
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A blob that lies in somebody else's store."""

    owner: str
    mark: FileMark


@dataclass(frozen=True, slots=True)
class NameRow:
    """What a tag means here, as of a moment."""

    scope: str
    """The repository."""
    name: str
    """The tag."""
    descriptor: Descriptor
    record: bytes
    """The signed record by which the cluster knows it, as it came."""
    issued: int
    """When it was signed, in Unix milliseconds. The newest meaning wins."""

    @property
    def reference(self) -> str:
        """The name as people write it."""
        return f"{self.scope}:{self.name}"


@dataclass(frozen=True, slots=True)
class Ban:
    """A node that lied, and is not believed or asked for anything since."""

    node: bytes
    """Its id, 20 bytes."""
    reason: str
    """What it did."""
    at: int
    """When that was found out, in Unix seconds."""
