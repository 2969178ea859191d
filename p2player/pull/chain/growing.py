"""A file that is written from front to back while any number of others read it."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from p2player.errors import DigestMismatch, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.segments import segment_bytes
from p2player.store.durable import disk_errors

_CHUNK = 1024 * 1024
_SMALL = 128 * 1024
"""Bytes, as many as a segment has at most, that are checked, hashed and written where they come. That takes some 0.4 ms; to hand
them to a thread and to come back takes a busy machine as long again, and makes it busier."""


class Growing:
    """A blob of known size on its way into a file, hashed as it comes. Whoever uses it holds it (`held`)."""

    def __init__(self, path: Path, size: int, algorithm: str, *, front: int = 0) -> None:
        """Begin at the first byte, or behind `front` bytes that are in the file already; they count once they are hashed."""
        self.size = size
        self.offset = 0
        self._segment = segment_bytes(size)
        self._path = path
        with disk_errors(path):
            self._file = os.open(path, os.O_RDWR if front else os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._front = front
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        self._hashed = 0
        self._fronts: list[str] = []
        """The digest of all up to the end of each whole segment."""
        self._last = b""
        """What came last, for those who read as it comes."""
        self._failure: Exception | None = None
        self._moved = asyncio.Event()
        self._users = 0
        self._is_closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open; it is closed when the last one who held it lets go. Raises TransferStalled if it was."""
        if self._is_closed:
            raise TransferStalled(f"{self._path.name} is no longer under way")
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._is_closed = True
                os.close(self._file)

    async def append(self, data: bytes, *, check: Callable[[], None] = lambda: None) -> None:
        """Take the next bytes, unless `check` raises, which is called in the same thread that writes them.

        Raises what that does, DiskFull, or DigestMismatch if that is more than the blob has.
        """
        if self.offset + len(data) > self.size:
            raise DigestMismatch(f"more than the {self.size} bytes of the blob came")
        if len(data) <= _SMALL:
            self._write(data, check)
            self._take(data)
            return
        writing = asyncio.get_running_loop().run_in_executor(None, self._write, data, check)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # What has begun cannot be stopped: whoever comes next has to go on behind it.
            await asyncio.wait({writing})
            writing.result()
            self._take(data)
            raise
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.offset += len(data)
        self._last = data
        self._stir()

    def _write(self, data: bytes, check: Callable[[], None]) -> None:
        check()
        with disk_errors(self._path):
            at, rest = self.offset, memoryview(data)
            while rest:
                written = os.pwrite(self._file, rest, at)
                at, rest = at + written, rest[written:]
        self._hash(data)

    def _hash(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            part = rest[: self._segment - self._hashed % self._segment]
            self._hasher.update(part)
            self._hashed += len(part)
            if self._hashed % self._segment == 0:
                self._fronts.append(self._hasher.hexdigest())
            rest = rest[len(part) :]

    async def hash_front(self) -> None:
        """Take what was in the file already as the first bytes."""
        await asyncio.to_thread(self._hash_front)
        self.offset = self._hashed
        self._stir()

    def _hash_front(self) -> None:
        while self._hashed < self._front:
            length = min(_CHUNK, self._front - self._hashed)
            self._hash(os.pread(self._file, length, self._hashed))

    def front(self, offset: int) -> str:
        """Return the digest of the first offset bytes in hex, if they are whole segments and here; empty if not."""
        count, rest = divmod(offset, self._segment)
        return self._fronts[count - 1] if not rest and 0 < count <= len(self._fronts) else ""

    @property
    def digest(self) -> Digest:
        """The digest of all that was taken so far."""
        return Digest(self._algorithm, self._hasher.hexdigest())

    def is_front_of(self, path: Path) -> bool:
        """Tell whether the file at path begins with all that was taken."""
        front, left = hashlib.new(self._algorithm), self.offset
        with path.open("rb", buffering=0) as file:
            while left and (chunk := file.read(min(_CHUNK, left))):
                front.update(chunk)
                left -= len(chunk)
        return front.digest() == self._hasher.digest()

    def fail(self, error: Exception) -> None:
        """Give error to all who wait for bytes, now and later. The first error stands."""
        self._failure = self._failure or error
        self._stir()

    async def read(self, start: int, stop: int) -> bytes:
        """Return some bytes from start on, none from stop on, as soon as there are any. Raises what `fail` was given."""
        with self.held():
            if start < stop:
                await self.reached(start + 1)
            into_last = start - (self.offset - len(self._last))
            if into_last >= 0:
                return self._last[into_last : into_last + stop - start]
            length = min(stop, self.offset, start + _CHUNK) - start
            return await asyncio.to_thread(os.pread, self._file, length, start)

    async def reached(self, offset: int) -> None:
        """Wait until all bytes before offset are here. Raises what `fail` was given."""
        while self.offset < offset:
            if self._failure is not None:
                raise self._failure
            await self._moved.wait()

    async def read_all(self, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop), which are here, as the disk gives them back. Raises TransferStalled."""
        with self.held():
            return await asyncio.to_thread(os.pread, self._file, stop - start, start)

    def _stir(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
