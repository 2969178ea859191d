"""File operations that hold after a power cut (POSIX: a name is durable once its directory is synced)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2player.errors import DiskFull, StorageError

SPACE_HINT = "free some space, or remove images with `p2player rm`"
DISK_HINT = "mend the disk, of which the kernel's log tells more, and start the node again"
_FILES_HINT = "let the node open more files: LimitNOFILE= of its service, or ulimit -n"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_HINTS = {errno.EROFS: DISK_HINT, errno.EIO: DISK_HINT, errno.EMFILE: _FILES_HINT, errno.ENFILE: _FILES_HINT}


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def make_directory(path: Path) -> None:
    """Make a directory if it is not there, its own name durable."""
    if not path.is_dir():
        path.mkdir()
        sync_directory(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Make data the content of path: after a crash it is either the old content or the new, whole."""
    beside = path.with_name(f"{path.name}.new")
    with disk_errors(path), beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(path.parent)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a disk that is full or broken, or of too many open files, into DiskFull and StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"no space left while writing {path}", hint=SPACE_HINT) from error
        if error.errno in _HINTS:
            raise StorageError(f"{path} cannot be used: {error.strerror}", hint=_HINTS[error.errno]) from error
        raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
