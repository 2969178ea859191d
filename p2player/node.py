"""A running node. The only file that knows every part: it makes them from a config, starts them, and stops them."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from p2player import __version__
from p2player.config import Config, HostPort
from p2player.control.server import ControlServer
from p2player.counters import Counters
from p2player.dht.node import DhtNode
from p2player.errors import AddressUnusable
from p2player.peer.address import Whereabouts
from p2player.peer.client import PeerClient
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.server import PeerServer
from p2player.peer.tls import ClusterTls
from p2player.pull.access.access import Access
from p2player.pull.access.owners import Owners
from p2player.pull.chain.relays import Relays
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.flights import Flights
from p2player.pull.fetch.search import Search
from p2player.pull.held.holdings import Holdings
from p2player.pull.held.scrub import Scrub
from p2player.pull.images import Images
from p2player.pull.integrity.suspects import Suspects
from p2player.pull.integrity.witness import Witness
from p2player.pull.journal import Journal
from p2player.pull.naming.beliefs import Beliefs
from p2player.pull.naming.names import Names
from p2player.pull.parts import Parts
from p2player.registry.certificates import EndpointTls
from p2player.registry.endpoint import Endpoint
from p2player.registry.guard import Guard
from p2player.runtime.adoption import Adoption
from p2player.runtime.containerd import ContentStore
from p2player.store.store import Store
from p2player.swarm.realm import Realms
from p2player.swarm.session import LibtorrentSwarms
from p2player.tasks import Tasks
from p2player.upstream.client import RegistryUpstreams

log = logging.getLogger(__name__)

_PORT_TRIES = 20


class Node:
    """One node, from `start` to `close`."""

    def __init__(self, config: Config, identity: Identity, keyring: Keyring, store: Store, counters: Counters) -> None:
        self.config = config
        self.identity = identity
        self.keyring = keyring
        self.store = store
        self.counters = counters
        self.started_at = time.time()
        self.dht: DhtNode
        self.tls: ClusterTls
        self.peers: PeerClient
        self.swarms: LibtorrentSwarms
        self.holdings: Holdings
        self.witness: Witness
        self.names: Names
        self.images: Images
        self.registry_address = self.cluster_address = self.swarm_address = ""
        self._running = AsyncExitStack()
        self._tasks = Tasks("node")

    @classmethod
    async def start(cls, config: Config, *, clock: Callable[[], float] = time.time) -> Self:
        """Return a node that serves what its store holds and looks for its cluster.

        Cluster secrets begin and end by clock (Unix seconds). Raises StoreLocked, InvalidConfig, AddressUnusable; nothing
        is left running then.
        """
        counters = Counters()
        if config.secret_file:
            keyring = Keyring.open(config.secret_file, clock, counters=counters)
        else:
            keyring = Keyring.of(ClusterSecret())
        store = await asyncio.to_thread(Store.open, config.data_dir)
        try:
            identity = Identity.load_or_create(config.data_dir / "node.key")
            node = cls(config, identity, keyring, store, counters)
        except BaseException:
            store.close()
            raise
        node._running.callback(store.close)
        try:
            await node._start()
        except BaseException:
            await node.close()
            raise
        return node

    async def close(self) -> None:
        """Stop serving and leave the cluster."""
        await self._running.aclose()

    async def _start(self) -> None:
        running, config = self._running, self.config
        self.tls = tls = ClusterTls(self.keyring, config.tls)
        realms = Realms(tls)
        journal = Journal()

        host, port = config.cluster.host, config.cluster.port
        self.swarms = await LibtorrentSwarms.start(
            host, port + 1 if port else 0, self.identity.node_id.raw, self.counters, tls
        )
        running.push_async_callback(self.swarms.close)

        beliefs = Beliefs(config.publishers, self.identity.node_id, self.counters, self.store.bans)
        self.dht = DhtNode(
            self.identity, self.keyring, state_path=config.data_dir / "dht.state", believes=beliefs.believes
        )
        self.holdings = Holdings(self.store, self.swarms, self.dht, self.identity, realms, now_ms=self.dht.clock.now_ms)
        tls.on_change(self.swarms.renew)
        tls.on_change(self.holdings.follow_realms)
        self.witness = Witness(self.store, self.holdings, self.identity)
        relays = Relays(self.store, self.holdings, self.identity)
        peer_server = PeerServer(
            tls,
            self.holdings,
            relays,
            self.witness,
            Whereabouts(self.identity, lambda: self.dht.swarm_address),
            self.counters,
            node_id=self.identity.node_id,
            version=__version__,
        )
        host, port = await self._open_cluster_port(peer_server, config.cluster)
        running.push_async_callback(self.dht.close)
        running.push_async_callback(peer_server.close)
        self.cluster_address = str(HostPort(host, port))
        self.swarm_address = str(HostPort(host, self.swarms.port))

        self.peers = peers = PeerClient(tls, self.identity.node_id, port)
        running.push_async_callback(peers.close)
        upstreams = RegistryUpstreams(
            config.upstreams,
            # Others must not send this node to registries of their choice.
            configured_only=config.configured_only or not config.registry.is_loopback,
            counters=self.counters,
        )
        running.push_async_callback(upstreams.close)
        owners = Owners(self.store, self.holdings)
        running.push_async_callback(owners.close)
        access = Access(upstreams, self.store, owners, self.counters)
        self.names = Names(self.store, self.dht, self.holdings, access, beliefs)
        running.push_async_callback(self.names.close)
        scrub = Scrub(self.store, self.holdings.drop)
        self.swarms.on_read_error(scrub.unreadable)
        suspects = Suspects(self.store, peers, journal)
        running.push_async_callback(suspects.close)
        parts = Parts(
            store=self.store,
            discovery=self.dht,
            search=Search(self.dht, journal, realms, self.store.bans),
            swarms=self.swarms,
            peers=peers,
            relays=relays,
            trust=Trust(self.store.bans, time.monotonic),
            suspects=suspects,
            access=access,
            owners=owners,
            holdings=self.holdings,
            scrub=scrub,
            counters=self.counters,
            journal=journal,
            node_id=self.identity.node_id,
        )
        flights = Flights(parts, background=config.background)
        running.push_async_callback(flights.close)
        self.images = Images(parts, self.names, flights)

        self.holdings.seed(self.store.blobs())
        running.push_async_callback(self._tasks.close)
        self._tasks.spawn(self._enter_cluster(), "enter cluster")
        self._tasks.spawn(scrub.run(), "scrub")
        self._tasks.spawn(self.keyring.watch(), "keyring")
        self._tasks.spawn(tls.watch(), "certificates")

        adoption = Adoption(
            self.store,
            self.holdings,
            access,
            [ContentStore(root) for root in config.adopt],
            registries=[one.registry for one in config.upstreams],
        )
        running.push_async_callback(adoption.close)
        await adoption.start()

        await self._open_registry()

        control = ControlServer(self)
        await control.start()
        running.push_async_callback(control.close)

    async def _open_registry(self) -> None:
        """Let runtimes pull from here."""
        endpoint = Endpoint(
            self.images,
            self.counters,
            guard=Guard.open(self.config.registry_token_file, self.counters),
            tls=EndpointTls.open(self.config.registry_cert, self.config.registry_key, self.config.registry_client_ca),
        )
        registry = await endpoint.start(self.config.registry.host, self.config.registry.port)
        self._running.push_async_callback(endpoint.close)
        self.registry_address = str(HostPort(*registry))

    async def _open_cluster_port(self, peer_server: PeerServer, wanted: HostPort) -> tuple[str, int]:
        """Open the same port number on TCP and UDP. A free one of both kinds may take a few tries to find."""
        for tries_left in reversed(range(1 if wanted.port else _PORT_TRIES)):
            host, port = await peer_server.start(wanted.host, wanted.port)
            try:
                await self.dht.start(wanted.host, port, swarm_port=self.swarms.port)
            except AddressUnusable:
                await peer_server.close()
                if not tries_left:
                    raise
            else:
                return host, port
        raise AssertionError("unreachable: the last try returns or raises")

    async def _enter_cluster(self) -> None:
        if self.config.join and not await self.dht.join([(door.host, door.port) for door in self.config.join]):
            log.warning("no node answers at %s; trying again", ", ".join(map(str, self.config.join)))
        await self.names.republish()
        await self.holdings.announce(self.store.blobs())
