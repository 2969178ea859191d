"""By what to tell that a file has changed, or another has taken its place."""

from pathlib import Path

Mark = tuple[int, int, int] | None


def mark_of(path: Path) -> Mark:
    """Return what a file is known by, or None if it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
