"""Bringing several blobs here at once, and telling how far each of them is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from p2player.oci.digest import Digest
from p2player.pull.blob import RemoteBlob
from p2player.pull.events import BlobProgress
from p2player.pull.fetch.flight import Flight
from p2player.pull.port import OpenBlob
from p2player.tasks import Tasks

_AT_ONCE = 4
_INTERVAL = 0.25  # seconds between two looks at what is under way


class Pulling:
    """A set of blobs, fetched a few at a time. `follow` does it."""

    def __init__(self, digests: Sequence[Digest], open_blob: Callable[[Digest], Awaitable[OpenBlob]]) -> None:
        self._open_blob = open_blob
        self._progress = {digest: BlobProgress(digest, 0, 0, "waiting") for digest in digests}
        self._under_way: dict[Digest, Flight] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def follow(self) -> AsyncGenerator[BlobProgress, None]:
        """Yield the progress of each blob whenever it changes, until all are in the store. Raises P2PlayerError."""
        tasks = Tasks("pull")
        told: dict[Digest, BlobProgress] = {}
        running = {tasks.spawn(self._bring(digest), digest.short) for digest in self._progress}
        try:
            while running:
                done, running = await asyncio.wait(running, timeout=_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
                for digest, flight in self._under_way.items():
                    self._progress[digest] = _progress(flight)
                for digest, progress in self._progress.items():
                    if told.get(digest) != progress:
                        told[digest] = progress
                        yield progress
                for task in done:
                    task.result()
        finally:
            await tasks.close()

    async def _bring(self, digest: Digest) -> None:
        async with self._slots:
            blob = await self._open_blob(digest)
            if not isinstance(blob, RemoteBlob):
                self._progress[digest] = BlobProgress(digest, blob.size, blob.size, "present")
                return
            with blob.join() as flight:
                self._under_way[digest] = flight
                stored = await flight.landed()
            del self._under_way[digest]
            by_peer = tuple(sorted(flight.by_peer.items()))
            self._progress[digest] = BlobProgress(digest, stored.size, stored.size, "done", by_peer, flight.seconds)


def _progress(flight: Flight) -> BlobProgress:
    by_peer = tuple(sorted(flight.by_peer.items()))
    return BlobProgress(flight.digest, flight.size, flight.done, "fetching", by_peer, flight.seconds)
