"""Keeps what this node says alive: every record is placed again before it expires, evenly over time."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from p2player.dht.discovery import PROVIDER_TTL_MS
from p2player.dht.limits import Rate, TokenBucket
from p2player.dht.placement import Placed, Placement
from p2player.dht.records import MAX_SKEW_MS, NameRecord, NodeAddress, Provider
from p2player.dht.routing import Contact
from p2player.dht.schedule import Schedule
from p2player.dht.storage import NAME_LEASE_MS
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.tasks import loop_time

PROVIDER_PERIOD: Final = PROVIDER_TTL_MS / 2000
NAME_PERIOD: Final = NAME_LEASE_MS / 2000
_RENEWED_AT_ONCE: Final = 16
_PLACED_AT_ONCE: Final = 32  # a restarted node announces thousands together; sockets drop what comes in larger bursts
_HURRIED_RATE: Final = 100.0
_PLACED: Final = Rate(per_second=300.0, burst=3000.0)  # well within what others take from one node
_FRESH_MS: Final = PROVIDER_TTL_MS * 3 // 4  # a record with more time left than this is placed again as it is

_Name = tuple[str, str]


@dataclass(slots=True)
class _Holding:
    """A digest this node announces, its last record, and who keeps that."""

    size: int
    root: bytes
    complete: bool
    private: bool
    record: Provider | None = None
    holders: tuple[Contact, ...] = ()


class Announcer:
    """The provider and name records one node stands for. `address` tells where it is reached now."""

    def __init__(
        self,
        identity: Identity,
        placement: Placement,
        *,
        address: Callable[[], NodeAddress],
        now_ms: Callable[[], int],
        rng: Random,
    ) -> None:
        self._identity = identity
        self._placement = placement
        self._address = address
        self._now_ms = now_ms
        self._rng = rng
        self._holdings: dict[Digest, _Holding] = {}
        self._names: dict[_Name, NameRecord] = {}
        self._schedule: Schedule[Digest | _Name] = Schedule(rng)
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(_PLACED_AT_ONCE)
        self._pace: TokenBucket | None = None
        self._last_issued = 0

    async def announce(self, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False) -> None:
        """Announce digest from now on; see Discovery."""
        known = self._holdings.get(digest)
        holding = _Holding(size, root, complete, private, holders=known.holders if known else ())
        self._holdings[digest] = holding
        self._set_due(digest, self._rng.uniform(0.0, PROVIDER_PERIOD))
        await self._place_provider(digest, holding)

    async def withdraw(self, digest: Digest) -> None:
        """Announce digest no more; see Discovery."""
        holding = self._holdings.pop(digest, None)
        self._schedule.discard(digest)
        if holding is not None:
            await self._place(self._sign(digest, holding, withdrawn=True), also=holding.holders)

    async def farewell(self) -> None:
        """Withdraw everything at those who keep it, in the order it comes; names stay, for they outlive their publisher."""
        leaving, self._holdings = self._holdings, {}
        await asyncio.gather(*(self._take_back(digest, holding) for digest, holding in leaving.items()))

    async def _take_back(self, digest: Digest, holding: _Holding) -> None:
        async with self._places:
            await self._placement.store(self._sign(digest, holding, withdrawn=True), holding.holders)

    async def publish(self, record: NameRecord) -> NameRecord | None:
        """Keep record alive from now on, unless the cluster has a newer one; see Discovery."""
        name = (record.scope, record.name)
        known = self._names.get(name)
        if known is not None and known.rank > record.rank:
            return known
        self._names[name] = record
        self._set_due(name, self._rng.uniform(0.0, NAME_PERIOD))
        return await self._place_name(name, record)

    def hurry(self) -> None:
        """Place everything again soon: other nodes are the nearest ones now, or this node's address has changed."""
        self._schedule.hurry(loop_time(), _HURRIED_RATE)
        self._wake.set()

    def clock_jumped(self, by_ms: int) -> None:
        """Date anew what was dated by a clock that has turned out to be by_ms behind."""
        latest = self._now_ms() + MAX_SKEW_MS
        if self._last_issued > latest:
            self._last_issued = 0
        for holding in self._holdings.values():
            holding.record = None
        for name, record in self._names.items():
            if record.public_key == self._identity.public_key:
                self._names[name] = record.dated(self._identity, min(record.issued + by_ms, self._now_ms()))
        self.hurry()

    async def run(self) -> None:
        """Renew what is due, for ever."""
        while True:
            self._wake.clear()
            due = self._schedule.pop(loop_time(), _RENEWED_AT_ONCE)
            await asyncio.gather(*map(self._renew, due))
            if not due:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._schedule.next_due()):
                        await self._wake.wait()

    async def _renew(self, key: Digest | _Name) -> None:
        if isinstance(key, Digest):
            if (holding := self._holdings.get(key)) is not None:
                self._set_due(key, PROVIDER_PERIOD)
                await self._place_provider(key, holding)
        elif (record := self._names.get(key)) is not None:
            self._set_due(key, NAME_PERIOD)
            await self._place_name(key, record)

    async def _place_provider(self, digest: Digest, holding: _Holding) -> None:
        record = holding.record
        fresh = record is not None and record.expires - self._now_ms() > _FRESH_MS
        if record is None or not fresh or record.address != self._address():
            record = holding.record = self._sign(digest, holding)
        holding.holders = (await self._place(record)).holders

    async def _place_name(self, name: _Name, record: NameRecord) -> NameRecord | None:
        newer = (await self._place(record)).newer
        if newer is not None and self._names.get(name) == record:
            # Whoever made the newer one keeps that alive.
            del self._names[name]
            self._schedule.discard(name)
        return newer

    async def _place(self, record: Provider | NameRecord, also: Iterable[Contact] = ()) -> Placed:
        async with self._places:
            self._pace = self._pace or TokenBucket(_PLACED, loop_time())
            await asyncio.sleep(self._pace.reserve(loop_time()))
            return await self._placement.place(record, also)

    def _sign(self, digest: Digest, holding: _Holding, *, withdrawn: bool = False) -> Provider:
        # Each record of this node is newer than its last, also within one millisecond.
        self._last_issued = max(self._now_ms(), self._last_issued + 1)
        return Provider.make(
            self._identity,
            digest=digest,
            size=holding.size,
            root=holding.root,
            address=self._address(),
            complete=holding.complete,
            issued=self._last_issued,
            expires=self._last_issued + PROVIDER_TTL_MS,
            withdrawn=withdrawn,
            private=holding.private,
        )

    def _set_due(self, key: Digest | _Name, delay: float) -> None:
        self._schedule.set(key, loop_time() + delay)
        self._wake.set()
