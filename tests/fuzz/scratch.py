"""One file, for parsers that read a path."""

import tempfile
from functools import cache
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # where there is one, a sync costs nothing


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    # Removed when the process ends.
    return tempfile.TemporaryDirectory(prefix="p2fuzz-", dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None)


def as_file(data: bytes, name: str = "input") -> Path:
    """Return a file with this content; the next call with the same name writes over it."""
    path = Path(_directory().name, name)
    path.write_bytes(data)
    return path
