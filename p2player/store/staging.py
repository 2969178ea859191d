"""Files on their way into the store. Nothing under the staging directory outlives the process that wrote it."""

import shutil
import threading
from itertools import count
from pathlib import Path

from p2player.errors import DiskFull
from p2player.oci.digest import Digest
from p2player.store.durable import SPACE_HINT, disk_errors, make_directory

_SECTOR = 512  # the unit of st_blocks, whatever the file system's own block is (stat(2))


class Staged:
    """A place for one blob to be written to. Space for it is spoken for until `discard`."""

    def __init__(self, staging: "Staging", path: Path, digest: Digest, size: int) -> None:
        self._staging = staging
        self.path = path
        self.digest = digest
        self.size = size

    @property
    def outstanding(self) -> int:
        """How many bytes of disk it will still take."""
        try:
            return max(0, self.size - self.path.stat().st_blocks * _SECTOR)
        except FileNotFoundError:
            return self.size

    def discard(self) -> None:
        """Take the staged file away, adopted or not, and give its space back. Doing it twice is fine."""
        self._staging.release(self)


class Staging:
    """The staging directory, on the file system of the blobs so that a hard link can move a file over."""

    def __init__(self, root: Path, reserve: int) -> None:
        self._root = root
        self._reserve = reserve
        self._numbers = count()
        self._staged: set[Staged] = set()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Throw away what an earlier process left."""
        if self._root.exists():
            shutil.rmtree(self._root)
        make_directory(self._root)

    def directory(self) -> Path:
        """Return a new, empty directory; whoever asked for it removes it."""
        path = self._root / str(next(self._numbers))
        path.mkdir()
        return path

    def stage(self, digest: Digest, size: int) -> Staged:
        """Return a place for a blob of size bytes, or raise DiskFull, or StorageError. No file is there yet.

        It is named as in the layout, by the digest's hex characters, in a directory of its own.
        """
        with self._lock, disk_errors(self._root):
            self._require(size)
            staged = Staged(self, self.directory() / digest.hex, digest, size)
            self._staged.add(staged)
        return staged

    def release(self, staged: Staged) -> None:
        """Undo `stage`."""
        with self._lock:
            self._staged.discard(staged)
        shutil.rmtree(staged.path.parent, ignore_errors=True)

    def require(self, size: int) -> None:
        """Raise DiskFull if size bytes more would eat into what is spoken for, or into the reserve."""
        with self._lock:
            self._require(size)

    def _require(self, size: int) -> None:
        free = shutil.disk_usage(self._root).free - sum(staged.outstanding for staged in self._staged)
        if free < size + self._reserve:
            raise DiskFull(
                f"{size} bytes do not fit on the disk of {self._root}: {max(0, free)} are free,"
                f" {self._reserve} of them kept in reserve",
                hint=SPACE_HINT,
            )
