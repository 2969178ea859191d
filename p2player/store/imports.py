"""Bringing in whole images or files: every blob is hashed as it is written, and all of them come in together."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from p2player.errors import DigestMismatch, DiskFull, InvalidArchive, StoreDamaged
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document, Manifest
from p2player.store.durable import disk_errors, sync_file
from p2player.store.hashing import BlobHasher
from p2player.store.inventory import Inventory
from p2player.store.rows import Entry, NameRow, StoredBlob
from p2player.store.staging import Staging


class BlobWriter:
    """Takes one blob of an import. Belongs to one thread at a time."""

    def __init__(
        self, path: Path, expected: Digest | None, size: int | None, keep: Callable[[Path, Entry], None]
    ) -> None:
        self._keep = keep
        self._path = path
        self._expected = expected
        self._size = size
        self._hasher = BlobHasher(expected.algorithm if expected else "sha256")
        self._file = path.open("xb")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Raises DiskFull."""
        self._hasher.update(data)
        with disk_errors(self._path):
            self._file.write(data)

    def finish(self) -> StoredBlob:
        """Return what has been written, now on the disk. Raises DigestMismatch if it is not the blob expected."""
        digest, tree = self._hasher.finish()
        self.close()
        if self._expected is not None and digest != self._expected:
            self._path.unlink()
            raise DigestMismatch(f"a blob named {self._expected} has the content of {digest}")
        if self._size is not None and tree.size != self._size:
            self._path.unlink()
            raise DigestMismatch(f"blob {digest} has {tree.size} bytes where {self._size} were announced")
        sync_file(self._path)
        entry = Entry.read(self._path, digest, tree)
        self._keep(self._path, entry)
        return entry.blob

    def close(self) -> None:
        """Let go of the file, finished or not."""
        with disk_errors(self._path):
            self._file.close()


class Import:
    """All or nothing: a `with` block that ends without `commit` leaves no trace."""

    def __init__(self, inventory: Inventory, staging: Staging) -> None:
        self._inventory = inventory
        self._staging = staging
        self._directory = staging.directory()
        self._numbers = count()
        self._writer: BlobWriter | None = None
        self._files: dict[Digest, tuple[Path, Entry]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def add(self, expected: Digest | None, size: int | None) -> BlobWriter:
        """Return a writer for a blob whose digest and size in bytes may be known. Raises DiskFull.

        One blob at a time: a writer that was not finished is given up.
        """
        self._give_up_writer()
        self._staging.require(size or 0)
        self._writer = BlobWriter(self._directory / str(next(self._numbers)), expected, size, self._keep)
        return self._writer

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is the store's own, or will be after `commit`."""
        return digest in self._files or self._inventory.owns(digest)

    def commit(self, names: Sequence[NameRow]) -> frozenset[Digest]:
        """Let every blob and these names into the store, for the whole cluster: returns what is private no more by it.

        What neither a name nor a manifest refers to was meant to be kept for itself, and is pinned. Raises
        InvalidArchive if a blob is missing that a manifest needs; an index needs only one of its manifests.
        """
        with self._inventory.lock:
            spoken_for = self._needed_by(names)
            pins = [
                digest
                for digest, (_, entry) in self._files.items()
                if digest not in spoken_for and not (entry.subject and self._is_there(entry.subject))
            ]
            seeded = [*self._files, *(row.descriptor.digest for row in names)]
            changed = self._inventory.publish(list(self._files.values()), names, pins, seeded)
        self.discard()
        return changed

    def discard(self) -> None:
        """Leave no trace of what was not committed."""
        self._give_up_writer()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _is_there(self, digest: Digest) -> bool:
        return digest in self._files or self._inventory.catalog.get(digest) is not None

    def _keep(self, path: Path, entry: Entry) -> None:
        self._files[entry.blob.digest] = path, entry

    def _give_up_writer(self) -> None:
        if self._writer:
            with suppress(DiskFull):
                self._writer.close()

    def _needed_by(self, names: Sequence[NameRow]) -> set[Digest]:
        """Return the digests that names and manifests refer to, all of them present but manifests of a sparse index."""
        needed: set[Digest] = set()
        for row in names:
            if not self._is_there(row.descriptor.digest):
                raise InvalidArchive(f"{row.reference} means {row.descriptor.digest}, which is not there")
            needed.add(row.descriptor.digest)
        pending = [*needed, *self._files]
        seen: set[Digest] = set()
        while pending:
            digest = pending.pop()
            if digest in seen or (document := self._document(digest)) is None:
                continue
            seen.add(digest)
            children = [child.digest for child in document.children]
            present = [child for child in children if self._is_there(child)]
            if len(present) < len(children) and (isinstance(document.content, Manifest) or not present):
                missing = next(child for child in children if not self._is_there(child))
                raise InvalidArchive(
                    f"{document.digest} needs {missing}, which is not there", hint="the archive is incomplete"
                )
            needed.update(present)
            pending += present
        return needed

    def _document(self, digest: Digest) -> Document | None:
        if digest in self._files:
            path, entry = self._files[digest]
            return Document.parse(path.read_bytes(), digest=digest) if entry.blob.media_type else None
        stored = self._inventory.catalog.get(digest)
        document = self._inventory.document(digest)
        if stored and stored.media_type and document is None:
            raise StoreDamaged(f"manifest {digest} was damaged on the disk and is taken out", hint="do the same again")
        return document
