"""Directories that take long to make, kept between runs."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_directory() -> Path:
    """Return where they are kept: `p2player-images` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "p2player-images"


def kept(name: str, make: Callable[[Path], Path], cache: Path | None = None) -> Path:
    """Return the directory of this name, which make has made below the empty directory it is given, now or in a run before.

    Several processes may ask at once: one makes it, the others wait. What make raises leaves nothing behind.
    """
    cache = cache or cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    directory = cache / name
    with _locked(cache / f"{name}.lock"):
        if not directory.exists():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                make(Path(work)).rename(directory)
    return directory


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
