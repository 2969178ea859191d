"""File operations that hold after a power cut (POSIX: a name is durable once its directory is synced)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2player.errors import DiskFull

SPACE_HINT = "free some space, or remove images with `p2player rm`"


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
    with disk_full(path), beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(path.parent)


@contextmanager
def disk_full(path: Path) -> Iterator[None]:
    """Turn the system's "no space left" and "quota exceeded" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"no space left while writing {path}", hint=SPACE_HINT) from error
        raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
