"""All fetches under way on this node: one a digest, whoever asks for it and how often."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from p2player.errors import TransferStalled
from p2player.oci.digest import Digest
from p2player.pull.flight import Flight, Parts
from p2player.pull.holders import Claim
from p2player.tasks import Tasks

_LINGER = 15.0
"""Seconds a fetch goes on after its last onlooker has left: a runtime that lost its connection is back by then."""


class Flights:
    """Single flight per digest."""

    def __init__(self, parts: Parts, *, linger: float = _LINGER) -> None:
        self._parts = parts
        self._linger = linger
        self._tasks = Tasks("flights")
        self._flights: dict[Digest, Flight] = {}
        self._onlookers: dict[Flight, int] = {}
        self._runs: dict[Flight, asyncio.Task[None]] = {}
        self._closed = False
        self._farewells: dict[Flight, asyncio.TimerHandle] = {}

    def get(self, digest: Digest) -> Flight | None:
        """Return the fetch of digest that is under way, or None."""
        return self._flights.get(digest)

    @contextmanager
    def join(self, digest: Digest, claims: Sequence[Claim]) -> Iterator[Flight]:
        """Look on at the fetch of digest, which is begun by these claims if it is not under way.

        When the last onlooker leaves, an unfinished fetch is given up after a while. Raises TransferStalled when closed.
        """
        flight = self._flights.get(digest) or self._begin(digest, claims)
        if (farewell := self._farewells.pop(flight, None)) is not None:
            farewell.cancel()
        self._onlookers[flight] = self._onlookers.get(flight, 0) + 1
        try:
            yield flight
        finally:
            self._onlookers[flight] -= 1
            if not self._onlookers[flight]:
                del self._onlookers[flight]
                if (run := self._runs.get(flight)) is not None:
                    self._farewells[flight] = asyncio.get_running_loop().call_later(self._linger, run.cancel)

    async def close(self) -> None:
        """Give up everything, and begin nothing any more."""
        self._closed = True
        await self._tasks.close()

    def _begin(self, digest: Digest, claims: Sequence[Claim]) -> Flight:
        if self._closed:
            raise TransferStalled(f"{digest} is not fetched: this node is stopping")
        flight = self._flights[digest] = Flight(digest, claims, self._parts)
        self._runs[flight] = self._tasks.spawn(self._run(flight), str(digest.short))
        return flight

    async def _run(self, flight: Flight) -> None:
        try:
            await flight.run()
        finally:
            del self._flights[flight.digest], self._runs[flight]
            if (farewell := self._farewells.pop(flight, None)) is not None:
                farewell.cancel()
        blob = await flight.landed()
        await self._parts.holdings.announce([blob])
