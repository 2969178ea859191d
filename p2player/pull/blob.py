"""Blobs opened for reading: one in the store, and one that is, or will be, on its way."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from p2player.errors import BlobNotFound, DigestMismatch, TransferStalled
from p2player.oci.digest import Digest
from p2player.pull.flight import Flight
from p2player.pull.flights import Flights
from p2player.pull.holders import Claim

_CHUNK = 1024 * 1024
HELD_BACK = 64 * 1024
"""Bytes at the end of what a reader asked for that it gets only after the whole digest has matched."""


class StoredFile:
    """A blob of the store."""

    def __init__(self, digest: Digest, size: int, path: Path) -> None:
        self.digest = digest
        self.size = size
        self.path: Path | None = path
        self._path = path

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes [start, stop)."""
        async for chunk in read_file(self._path, self.digest, start, stop):
            yield chunk


class RemoteBlob:
    """A blob that others hold. Reading it fetches it, or joins the fetch that is under way."""

    def __init__(self, digest: Digest, claims: Sequence[Claim], flights: Flights, path: Path) -> None:
        self.digest = digest
        self.size = claims[0].metainfo.size
        self._claims = claims
        self._flights = flights
        self._path = path

    def join(self) -> AbstractContextManager[Flight]:
        """Look on at the fetch of the blob, which is begun if it is not under way."""
        return self._flights.join(self.digest, self._claims)

    @property
    def path(self) -> Path | None:
        """None: it may be in the store by now, but was not when it was opened."""
        return None

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes [start, stop) as they are verified. Raises P2PlayerError, also midway.

        Each piece is checked against the claimed root; the last bytes wait for the whole digest.
        """
        with self.join() as flight:
            at = start
            attempt = await flight.attempt()
            if attempt is not None:
                if attempt.metainfo.size != self.size:
                    raise DigestMismatch(f"{self.digest} was announced with a wrong size; ask again")
                with suppress(TransferStalled):  # also raised once the blob is a file; `verified` tells which it is
                    while at < stop - HELD_BACK and not attempt.is_verified:
                        chunk = await attempt.read(at, stop - HELD_BACK, urgent=at == start)
                        yield chunk
                        at += len(chunk)
                await attempt.verified()
        async for chunk in read_file(self._path, self.digest, at, stop):
            yield chunk


async def read_file(path: Path, digest: Digest, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes [start, stop) of a file of the store. Raises BlobNotFound if it was removed meanwhile."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as error:
        raise BlobNotFound(f"{digest} has just been removed here") from error
    with file:
        file.seek(start)
        while start < stop:
            chunk = await asyncio.to_thread(file.read, min(_CHUNK, stop - start))
            if not chunk:
                raise DigestMismatch(f"{path} is shorter than its blob", hint="check the store with: p2player verify")
            yield chunk
            start += len(chunk)
