"""A node of the DHT: wires the parts of this folder together and answers the questions of `Discovery`.

It extends the kademlia package: `Contact`, `Table` and `SealedProtocol` are its Node, RoutingTable and Protocol. Its
Server is not used: that keeps one unsigned value a key, crawls in lock step and saves its state as a pickle.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from p2player.dht import findings
from p2player.dht.announcer import Announcer
from p2player.dht.answers import Responder
from p2player.dht.belief import Belief, everybody
from p2player.dht.clock import ClusterClock, wall_clock_ms
from p2player.dht.crawl import Crawler
from p2player.dht.keeper import Keeper
from p2player.dht.membership import Membership
from p2player.dht.missing import Missing
from p2player.dht.placement import Placement
from p2player.dht.protocol import SealedProtocol
from p2player.dht.records import (
    NameRecord,
    NodeAddress,
    Provider,
    Unpack,
    key_of_digest,
    key_of_scope,
    unpack_record,
)
from p2player.dht.routing import Contact, Table
from p2player.dht.storage import Storage
from p2player.dht.udp import OpenDatagrams, host_seen_elsewhere, open_udp
from p2player.dht.vantage import Vantage
from p2player.dht.wire import Address, Codec, DatagramCodec, FindName, FindProviders, ListNames, Reply, Request
from p2player.errors import AddressUnusable
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId
from p2player.peer.keyring import Keyring
from p2player.tasks import Tasks, loop_time

_HOUSEKEEPING_SECONDS: Final = 60.0
_SAVE_EVERY: Final = 10
_FAREWELL_SECONDS: Final = 2.0
_TIME_TOLD_WITHIN: Final = 2.0

log = logging.getLogger(__name__)


class DhtNode:
    """Discovery over the cluster's DHT. `start` it before anything else, `close` it at the end."""

    def __init__(
        self,
        identity: Identity,
        keyring: Keyring,
        *,
        state_path: Path | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
        open_datagrams: OpenDatagrams = open_udp,
        rng: Random | None = None,
        believes: Belief = everybody,
        codec: DatagramCodec | None = None,
        unpack: Unpack = unpack_record,
    ) -> None:
        self._identity = identity
        self.clock = ClusterClock(now_ms, steady=loop_time, on_jump=self._clock_jumped)
        self._open_datagrams = open_datagrams
        self._counters: Counter[str] = Counter()
        self._tasks = Tasks("dht")
        self._vantage = Vantage()
        self._cluster_port = self._swarm_port = 0
        rng = rng or Random()  # noqa: S311  (it spreads load; nothing secret depends on it)
        self._rng = rng
        self._believes = believes
        self._unpack = unpack
        self._storage = Storage(believes=believes)
        self._table = Table(identity.node_id.raw, on_new=self._contact_added, on_silent=self._contact_silent)
        self._heard_of_somebody = asyncio.Event()
        self._size_when_placed = 0
        self._keeper = Keeper(
            state_path,
            self._table,
            self._storage,
            unpack=unpack,
            now_ms=self.clock.now_ms,
            counters=self._counters,
        )
        self._responder = Responder(self._table, self._storage, self._counters, unpack)
        self._protocol = SealedProtocol(
            identity.public_key,
            codec or Codec(keyring),
            self._table,
            self.clock,
            answer=self._answer,
            seen_at=self._seen_at,
            counters=self._counters,
        )
        self._crawler = Crawler(self._protocol)
        self._membership = Membership(self._protocol, self._crawler, rng)
        self._missing = Missing(self._protocol, rng)
        placement = Placement(self._protocol, self._crawler, self._storage, self.clock.now_ms, believes, unpack)
        self._announcer = Announcer(identity, placement, address=self._address, now_ms=self.clock.now_ms, rng=rng)

    async def start(self, host: str, port: int, *, swarm_port: int) -> int:
        """Listen on UDP host:port (0 picks one) and return the port; raises AddressUnusable.

        swarm_port goes into the provider records, beside this port and the host other nodes see.
        """
        try:
            bound = await self._open_datagrams(self._protocol, host, port)
        except OSError as error:
            raise AddressUnusable(
                f"cannot bind UDP {host}:{port}: {error.strerror}", hint="choose another --cluster address"
            ) from error
        self._cluster_port, self._swarm_port = bound.port, swarm_port
        self._vantage.bound_to(bound.host, host_seen_elsewhere)
        self._membership.bound_to(bound.host)
        self._membership.remember(self._keeper.load())
        self._tasks.spawn(self._take_back(), "restore")
        self._tasks.spawn(self._membership.run(), "membership")
        self._tasks.spawn(self._missing.run(), "missing")
        self._tasks.spawn(self._announcer.run(), "announcer")
        self._tasks.spawn(self._keep_house(), "housekeeping")
        return bound.port

    async def close(self) -> None:
        """Stop announcing, say so, and remember neighbours and kept records for the next start."""
        await self._tasks.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._announcer.farewell()
        self._protocol.close()
        await asyncio.sleep(0)  # the socket is closed in the loop's next turn
        await self._keeper.save()

    async def join(self, addresses: Sequence[tuple[str, int]]) -> bool:
        """Join the cluster through any of these nodes (name or IP, port); returns whether one has answered.

        If none has, they are tried again in the background until one does.
        """
        return await self._membership.join(addresses)

    def contacts(self) -> list[tuple[NodeId, str, int]]:
        """Return the nodes known that answered when last asked: id, host and cluster port."""
        answering = (contact for contact in self._table.contacts() if not contact.silent)
        return [(NodeId(contact.id), contact.ip, contact.port) for contact in answering]

    @property
    def swarm_address(self) -> tuple[str, int]:
        """The host that others reach this node at and the port of its swarm, as its records name them; port 0 before `start`."""
        return self._vantage.host, self._swarm_port

    @property
    def counters(self) -> dict[str, int]:
        """Datagrams in and out, requests unanswered, and what was dropped, by reason."""
        return dict(self._counters)

    async def announce(self, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False) -> None:
        """See Discovery."""
        await self._announcer.announce(digest, size, root, complete=complete, private=private)

    async def withdraw(self, digest: Digest) -> None:
        """See Discovery."""
        await self._announcer.withdraw(digest)

    async def find(self, digest: Digest, want: int = 8) -> list[Provider]:
        """See Discovery."""
        key, now_ms = key_of_digest(digest), self.clock.now_ms()
        found = findings.Providers(digest, want, now_ms, without=self._identity.node_id, unpack=self._unpack)
        asked = FindProviders(key, self._rng.getrandbits(32))
        kept = self._storage.providers(key, asked.turn, 0, now_ms)
        first_pages: dict[bytes, Reply] = {}

        def take(contact: Contact, reply: Reply) -> bool:
            first_pages[contact.id] = reply
            return found.take(reply.records, reply.total)

        if not found.take(kept.records[: 2 * want], kept.total):
            nearest = (await self._crawler.search(asked, take, found.result)).nearest()
            holders = [contact for contact in nearest if contact.id in first_pages][: findings.QUORUM]
            await asyncio.gather(*(self._read_more(asked, holder, first_pages[holder.id], found) for holder in holders))
        return found.result()

    async def _read_more(self, asked: FindProviders, contact: Contact, page: Reply, found: findings.Providers) -> None:
        skip = 0
        while not found.enough and page.records and (skip := skip + len(page.records)) < page.total:
            answer = await self._protocol.ask(contact.address, replace(asked, skip=skip), contact.id)
            if answer is None:
                return
            page = answer.reply
            found.take(page.records)

    async def publish(self, record: NameRecord) -> NameRecord | None:
        """See Discovery."""
        return await self._announcer.publish(record)

    async def resolve(self, scope: str, name: str) -> NameRecord | None:
        """See Discovery."""
        key = key_of_scope(scope)
        found = findings.Names(scope, self.clock.now_ms(), self._believes, self._unpack)
        found.take(self._storage.name(key, name, self.clock.now_ms()).records)
        await self._crawler.search(FindName(key, name), lambda _, reply: found.take(reply.records))
        newest = found.newest(name)
        return None if newest is None or newest.withdrawn else newest

    async def listing(self, scope: str) -> list[NameRecord]:
        """See Discovery."""
        key = key_of_scope(scope)
        found = findings.Names(scope, self.clock.now_ms(), self._believes, self._unpack)
        found.take(self._storage.names(key, "", self.clock.now_ms()).records)
        first_pages: dict[bytes, Reply] = {}

        def take(contact: Contact, reply: Reply) -> None:
            found.take(reply.records)
            first_pages[contact.id] = reply

        holders = (await self._crawler.search(ListNames(key, ""), take)).nearest()[: findings.QUORUM]
        await asyncio.gather(*(self._read_on(key, holder, first_pages[holder.id], found) for holder in holders))
        return found.all()

    async def _read_on(self, key: bytes, contact: Contact, page: Reply, found: findings.Names) -> None:
        after = ""
        while page.total > len(page.records) and (last := findings.last_name(page.records, self._unpack)) > after:
            after = last
            answer = await self._protocol.ask(contact.address, ListNames(key, after), contact.id)
            if answer is None:
                return
            page = answer.reply
            found.take(page.records)

    def _answer(self, request: Request, asker: bytes, seen: Address) -> Reply:
        return self._responder.answer(request, asker, seen, self.clock.now_ms())

    def _address(self) -> NodeAddress:
        return NodeAddress(self._vantage.host, self._cluster_port, self._swarm_port)

    def _seen_at(self, node_id: bytes, host: str) -> None:
        if self._vantage.seen_from(node_id, host):
            log.info("other nodes see this one at %s", host)
            self._announcer.hurry()

    def _clock_jumped(self, by_ms: int) -> None:
        self._counters["clock_corrections"] += 1
        self._storage.expire(self.clock.now_ms())
        self._announcer.clock_jumped(by_ms)

    def _contact_added(self, _contact: Contact) -> None:
        self._heard_of_somebody.set()
        self._membership.met_somebody()
        # With twice the nodes known, others are nearest to many of the keys. The table may have shrunk before.
        size = len(self._table)
        self._size_when_placed = min(self._size_when_placed, size - 1)
        if size >= 2 * self._size_when_placed:
            self._size_when_placed = size
            self._announcer.hurry()
        if self._keeper.must_save():
            self._tasks.spawn(self._keeper.save(), "save")

    def _contact_silent(self, contact: Contact) -> None:
        self._missing.add(contact)

    async def _keep_house(self) -> None:
        for minute in itertools.count(1):
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            self._storage.expire(self.clock.now_ms())
            if minute % _SAVE_EVERY == 0:
                await self._keeper.save()

    async def _take_back(self) -> None:
        # Whether the records kept are still good is a question of the cluster's time.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TIME_TOLD_WITHIN):
                await self._heard_of_somebody.wait()
        await self._keeper.take_back()
