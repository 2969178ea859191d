"""Blobs opened for reading: one in the store, and one that is, or will be, on its way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing, suppress
from pathlib import Path

from p2player.errors import DigestMismatch, P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.pull.chain.streaming import StreamAttempt
from p2player.pull.fetch.attempt import Attempt
from p2player.pull.fetch.flight import Flight
from p2player.pull.fetch.flights import Flights
from p2player.pull.fetch.holders import Lead
from p2player.pull.held.filereading import read_file

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

    def __init__(self, lead: Lead, flights: Flights, path: Path) -> None:
        self.digest = lead.digest
        self.size = lead.size
        self._lead = lead
        self._flights = flights
        self._path = path

    def join(self) -> AbstractContextManager[Flight]:
        """Look on at the fetch of the blob, which is begun if it is not under way."""
        return self._flights.join(self._lead)

    @property
    def path(self) -> Path | None:
        """None: it may be in the store by now, but was not when it was opened."""
        return None

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes [start, stop) as they are verified. Raises P2PlayerError, also midway.

        Each piece is checked against the claimed root, if there is one; the last bytes wait for the whole digest. Should
        an attempt fail, the rest comes once another one has succeeded, and what was given before has turned out right.
        """
        at = start
        with self.join() as flight:
            async with aclosing(self._read_while_it_comes(flight, start, stop)) as chunks:
                async for chunk in chunks:
                    at += len(chunk)
                    yield chunk
            if at < stop:
                self._require_size((await flight.landed()).size)
        async for chunk in read_file(self._path, self.digest, at, stop):
            yield chunk

    def _require_size(self, size: int) -> None:
        if size != self.size:
            raise DigestMismatch(f"{self.digest} was announced with a wrong size; ask again")

    async def _read_while_it_comes(self, flight: Flight, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes from start on until the blob is in the store, or all of [start, stop)."""
        attempt: Attempt | StreamAttempt | None = None
        giver: Attempt | StreamAttempt | None = None
        at = start
        while (attempt := await flight.attempt(attempt)) is not None:
            self._require_size(attempt.size)
            # Errors are the attempt's; `flight.attempt` raises when there is no further one.
            with suppress(P2PlayerError), attempt.held():
                if giver is None:
                    async for chunk in _read_along(attempt, start, stop - HELD_BACK):
                        giver = attempt
                        at += len(chunk)
                        yield chunk
                await attempt.verified()
                if giver in {None, attempt}:
                    async for chunk in _read_along(attempt, at, stop):
                        yield chunk
                    return
                break
        if giver is not None:
            await flight.landed()
            if not await asyncio.to_thread(giver.was_right):
                raise DigestMismatch(f"what came first of {self.digest} was wrong; ask again")


async def _read_along(attempt: Attempt | StreamAttempt, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes [start, stop) as the attempt gets them, or fewer: it may end, and be a file, in the middle."""
    at = start
    with suppress(TransferStalled):  # also raised once the blob is a file of the store
        while at < stop:
            chunk = await attempt.read(at, stop, urgent=at == start and not attempt.is_verified)
            yield chunk
            at += len(chunk)
