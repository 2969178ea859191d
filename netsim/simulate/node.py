"""The DHT side of a simulated node: the real one, of which more can be asked, and which may begin as one of long standing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from netsim.simulate.memory import deep_size
from netsim.simulate.net import Latency
from p2player.dht.announcer import Announcer
from p2player.dht.crawl import Crawler, Finding, Take
from p2player.dht.lookup import Lookup
from p2player.dht.memory import MemoryCodec, unpack_simulated
from p2player.dht.node import DhtNode
from p2player.dht.placement import Placed, Placement
from p2player.dht.records import NameRecord, Provider
from p2player.dht.routing import Contact
from p2player.dht.udp import OpenDatagrams
from p2player.dht.wire import Address, Neighbour, Reply, Request
from p2player.oci.digest import Digest
from p2player.peer.identity import SimulatedIdentity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret

PORT: Final = 7400
SWARM_PORT: Final = 7401
_HEARD_OF_LATELY: Final = 32
_CODEC: Final = MemoryCodec()
_KEYRING: Final = Keyring.of(ClusterSecret(b"of no use without seals"))

Keep = Callable[[Provider], list[Neighbour]]
"""Has a record kept where it belongs, and returns by whom."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup has found, how many questions had to be asked one after another, and how many datagrams that took."""

    providers: tuple[Provider, ...]
    hops: int
    datagrams: int


class SimulatedNode(DhtNode):
    """A node at a host of a network in memory."""

    def __init__(
        self,
        host: str,
        identity: SimulatedIdentity,
        *,
        now_ms: Callable[[], int],
        open_datagrams: OpenDatagrams,
        rng: Random,
    ) -> None:
        super().__init__(
            identity,
            _KEYRING,
            codec=_CODEC,
            unpack=unpack_simulated,
            now_ms=now_ms,
            open_datagrams=open_datagrams,
            rng=rng,
        )
        self.host = host
        self.address = Address(host, PORT)
        self.neighbour = Neighbour(identity.node_id.raw, self.address)
        self.answered = 0
        """Requests it has answered."""
        time = self.clock.now_ms
        placement = Placement(self._protocol, self._crawler, self._storage, time, self._believes, unpack_simulated)
        self._announcer = self._settling = _SettlingAnnouncer(
            identity, placement, address=self._address, now_ms=time, rng=rng
        )
        self._crawler = self._tracer = _Tracer(self._protocol)

    @property
    def kept(self) -> int:
        """How many records it keeps for others."""
        return len(self._storage)

    @property
    def known(self) -> int:
        """How many nodes it knows."""
        return len(self._table)

    @property
    def directory_bytes(self) -> int:
        """Bytes of memory for what is kept for others and what is announced, and for the nodes that are known."""
        return deep_size([self._storage, self._table, *self._settling.remembered])

    async def listen(self) -> None:
        """Take part, knowing nobody."""
        await self.start(self.host, PORT, swarm_port=SWARM_PORT)

    def know(self, neighbours: Sequence[Neighbour], latency: Latency) -> None:
        """Have neighbours in the table, as if each had answered and nodes all over the key space had been looked for."""
        contacts = [Contact(*neighbour) for neighbour in neighbours]
        for contact in contacts:
            self._table.add_contact(contact)
        self._membership.has_looked_around = True
        self._contact_added(contacts[-1])
        for contact in contacts[:_HEARD_OF_LATELY]:
            round_trip = 2 * latency(self.host, contact.ip)
            self._protocol.round_trip.took(round_trip)
            self.clock.heard(contact.id, contact.ip, self.clock.own_now_ms() - int(round_trip * 500), round_trip)

    async def has_announced(self, digests: Iterable[Digest], size: int, keep: Keep) -> None:
        """Be one that announced digests a while ago: keep does with their records what announcing does over the network."""
        self._settling.keep = keep
        try:
            for digest in digests:
                await self.announce(digest, size, bytes(32), complete=True)
        finally:
            self._settling.keep = None

    def take_in(self, record: Provider) -> None:
        """Keep record as if it had been stored here."""
        self._storage.put(record, self.clock.now_ms())

    async def look_up(self, digest: Digest, want: int = 8) -> Found:
        """Return what `find` finds, and what it took."""
        self._tracer.hops = 0
        before = self._datagrams
        providers = await self.find(digest, want)
        return Found(tuple(providers), self._tracer.hops, self._datagrams - before)

    async def die(self) -> None:
        """End without a word."""
        await self._tasks.close()
        self._protocol.close()

    @property
    def _datagrams(self) -> int:
        return self._counters["datagrams_in"] + self._counters["datagrams_out"]

    def _answer(self, request: Request, asker: bytes, seen: Address) -> Reply:
        self.answered += 1
        return super()._answer(request, asker, seen)


class _SettlingAnnouncer(Announcer):
    """Places records over the network, or as long as there is a `keep` without it."""

    keep: Keep | None = None

    @property
    def remembered(self) -> list[object]:
        """What it knows of its records."""
        return [self._holdings, self._names, self._schedule]

    async def _place(self, record: Provider | NameRecord, also: Iterable[Contact] = ()) -> Placed:
        if self.keep is None or isinstance(record, NameRecord):
            return await super()._place(record, also)
        return Placed(tuple(Contact(*neighbour) for neighbour in self.keep(record)))


class _Tracer(Crawler):
    """Sees how many nodes were asked one after another until the answer came that ended the lookup."""

    hops = 0

    async def search(self, request: Finding, take: Take, has_some: Callable[[], object] = lambda: False) -> Lookup:
        hops_to: dict[bytes, int] = {}

        def traced(contact: Contact, reply: Reply) -> bool | None:
            self.hops = hops_to.get(contact.id, 1)
            for neighbour in reply.neighbours:
                hops_to.setdefault(neighbour.node_id, self.hops + 1)
            return take(contact, reply)

        return await super().search(request, traced, has_some)
