"""Writing blobs that arrive in chunks, so that only what is whole and checked is ever kept."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from p2player.errors import BadInput, DigestMismatch, DiskFull, StorageError
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor


class Sink(Protocol):
    """A place that takes one blob's bytes, and then either keeps or drops them."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...

    def keep(self) -> None:
        """Keep what was written; it is whole and its digest matched."""
        ...

    def drop(self) -> None:
        """Be as if nothing had been written."""
        ...


class BlobWriter:
    """A context in which one blob is written. Leaving it keeps the blob, or raises DigestMismatch and drops it."""

    def __init__(self, descriptor: Descriptor, sink: Sink) -> None:
        self._descriptor = descriptor
        self._sink = sink
        self._hasher = descriptor.digest.hasher()
        self._left = descriptor.size

    def __enter__(self) -> Self:
        return self

    def write(self, data: bytes) -> None:
        """Take the next bytes of the blob. Raises DigestMismatch as soon as they are too many, DiskFull."""
        self._left -= len(data)
        if self._left < 0:
            raise DigestMismatch(f"blob {self._descriptor.digest} is longer than {self._descriptor.size} bytes")
        self._hasher.update(data)
        with disk_errors():
            self._sink.write(data)

    def __exit__(self, error: type[BaseException] | None, *exc_info: object) -> None:
        if error is not None:
            self._sink.drop()
            return
        try:
            self._check()
            with disk_errors():
                self._sink.keep()
        except BaseException:
            self._sink.drop()
            raise

    def _check(self) -> None:
        if self._left:
            raise DigestMismatch(f"blob {self._descriptor.digest} is {self._left} bytes short")
        found = Digest(self._descriptor.digest.algorithm, self._hasher.hexdigest())
        if found != self._descriptor.digest:
            raise DigestMismatch(f"blob {self._descriptor.digest} has other content: {found}")


class StagedFile:
    """A file written beside the path it is for, which it takes in one step when it is whole."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise BadInput(f"{path} is a directory", hint="name the file to write")
        self._path = path
        self._staging = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
        try:
            self.file = self._staging.open("x+b")
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error.strerror}") from error

    def write(self, data: bytes, /) -> None:
        """Append data."""
        self.file.write(data)

    def keep(self) -> None:
        """Put the file in place, over any that is there."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._staging.replace(self._path)

    def drop(self) -> None:
        """Remove the file, unless it is in place already."""
        self.file.close()
        self._staging.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Make data the content of path, over any file there. Raises BadInput if there can be none, DiskFull, StorageError."""
    staged = StagedFile(path)
    try:
        with disk_errors():
            staged.write(data)
            staged.keep()
    finally:
        staged.drop()


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise what the operating system says about the disk as DiskFull or StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("no space left to write to", hint="free some space and try again") from error
        raise StorageError(f"cannot write: {error}") from error
