"""All fetches under way on this node: one a digest, whoever asks for it and how often."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from p2player.errors import TransferStalled
from p2player.oci.digest import Digest
from p2player.pull.fetch.flight import Flight
from p2player.pull.fetch.holders import Lead
from p2player.pull.parts import Parts
from p2player.store.origins import SEEDED
from p2player.tasks import Tasks

_LINGER = 15.0
"""Seconds a fetch goes on after its last onlooker has left: a runtime that lost its connection is back by then."""


class Flights:
    """Single flight per digest."""

    def __init__(self, parts: Parts, *, background: bool = False, linger: float = _LINGER) -> None:
        """If background, a fetch that nobody waits for any more goes on to its end, else for linger seconds."""
        self._parts = parts
        self._background = background
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
    def join(self, lead: Lead) -> Iterator[Flight]:
        """Look on at the fetch of a blob, which is begun with this lead if it is not under way.

        When the last onlooker leaves, an unfinished fetch goes on in the background or is given up after a while, as was
        chosen. Raises TransferStalled when closed.
        """
        flight = self._flights.get(lead.digest) or self._begin(lead)
        flight.also_from(lead.origin)
        if (farewell := self._farewells.pop(flight, None)) is not None:
            farewell.cancel()
        self._onlookers[flight] = self._onlookers.get(flight, 0) + 1
        try:
            yield flight
        finally:
            self._onlookers[flight] -= 1
            if not self._onlookers[flight]:
                del self._onlookers[flight]
                if (run := self._runs.get(flight)) is not None and not self._background:
                    self._farewells[flight] = asyncio.get_running_loop().call_later(self._linger, run.cancel)

    async def close(self) -> None:
        """Give up everything, and begin nothing any more."""
        self._closed = True
        await self._tasks.close()

    def _begin(self, lead: Lead) -> Flight:
        if self._closed:
            raise TransferStalled(f"{lead.digest} is not fetched: this node is stopping")
        flight = self._flights[lead.digest] = Flight(lead, self._parts)
        self._runs[flight] = self._tasks.spawn(self._run(flight), lead.digest.short)
        return flight

    async def _run(self, flight: Flight) -> None:
        try:
            await flight.run()
        finally:
            del self._flights[flight.digest], self._runs[flight]
            if (farewell := self._farewells.pop(flight, None)) is not None:
                farewell.cancel()
        blob = await flight.landed()
        lead = flight.lead
        if not self._parts.store.origins(blob.digest):
            # Nobody said that it was private before it was here: whatever else turns out to contain it, it stays open.
            origin = str(lead.origin.repository) if lead.origin else SEEDED
            await self._parts.owners.add(blob.digest, origin, private=False)
        await self._parts.holdings.announce([blob])
