"""A running node. The only file that knows every part: it makes them from a config, starts them, and stops them."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import Self

from p2player import __version__
from p2player.config import Config, HostPort
from p2player.control.server import ControlServer
from p2player.counters import Counters
from p2player.dht.node import DhtNode
from p2player.errors import AddressUnusable
from p2player.peer.client import PeerClient
from p2player.peer.identity import Identity
from p2player.peer.secret import ClusterSecret
from p2player.peer.server import PeerServer
from p2player.pull.flight import Parts
from p2player.pull.flights import Flights
from p2player.pull.holdings import Holdings
from p2player.pull.images import Images
from p2player.pull.journal import Journal
from p2player.pull.names import Names
from p2player.pull.search import Search
from p2player.registry.endpoint import Endpoint
from p2player.store.store import Store
from p2player.swarm.session import LibtorrentSwarms
from p2player.tasks import Tasks

log = logging.getLogger(__name__)

_PORT_TRIES = 20


class Node:
    """One node, from `start` to `close`."""

    def __init__(self, config: Config, identity: Identity, secret: ClusterSecret, store: Store) -> None:
        self.config = config
        self.identity = identity
        self.secret = secret
        self.store = store
        self.counters = Counters()
        self.started_at = time.time()
        self.dht: DhtNode
        self.swarms: LibtorrentSwarms
        self.holdings: Holdings
        self.images: Images
        self.registry_address = self.cluster_address = self.swarm_address = ""
        self._running = AsyncExitStack()
        self._tasks = Tasks("node")

    @classmethod
    async def start(cls, config: Config) -> Self:
        """Return a node that serves what its store holds and looks for its cluster.

        Raises StoreLocked, InvalidConfig, AddressUnusable; nothing is left running then.
        """
        secret = ClusterSecret.from_file(config.secret_file) if config.secret_file else ClusterSecret()
        store = await asyncio.to_thread(Store.open, config.data_dir)
        try:
            identity = Identity.load_or_create(config.data_dir / "node.key")
            node = cls(config, identity, secret, store)
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
        salt = b"" if self.secret.is_public else self.secret.derive("swarm")
        journal = Journal()

        host = config.cluster.host
        port = config.cluster.port
        self.swarms = await LibtorrentSwarms.start(
            host, port + 1 if port else 0, self.identity.node_id.raw, self.counters
        )
        running.push_async_callback(self.swarms.close)

        self.dht = DhtNode(self.identity, self.secret, state_path=config.data_dir / "dht.state")
        self.holdings = Holdings(self.store, self.swarms, self.dht, self.identity, salt)
        peer_server = PeerServer(
            self.secret, self.holdings, self.counters, node_id=self.identity.node_id, version=__version__
        )
        host, port = await self._open_cluster_port(peer_server, config.cluster)
        running.push_async_callback(self.dht.close)
        running.push_async_callback(peer_server.close)
        self.cluster_address = str(HostPort(host, port))
        self.swarm_address = str(HostPort(host, self.swarms.port))

        peers = PeerClient(self.secret)
        running.push_async_callback(peers.close)
        names = Names(self.store, self.dht, self.holdings)
        running.push_async_callback(names.close)
        parts = Parts(
            store=self.store,
            discovery=self.dht,
            search=Search(self.dht, journal, salt, self.store.bans),
            swarms=self.swarms,
            peers=peers,
            holdings=self.holdings,
            counters=self.counters,
            journal=journal,
        )
        flights = Flights(parts)
        running.push_async_callback(flights.close)
        self.images = Images(parts, names, flights)

        self.holdings.seed(self.store.blobs())
        running.push_async_callback(self._tasks.close)
        self._tasks.spawn(self._enter_cluster(), "enter cluster")

        endpoint = Endpoint(self.images, self.counters)
        registry = await endpoint.start(config.registry.host, config.registry.port)
        running.push_async_callback(endpoint.close)
        self.registry_address = str(HostPort(*registry))

        control = ControlServer(self)
        await control.start()
        running.push_async_callback(control.close)

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
        for row in self.store.names():
            await self.holdings.republish(row)
        await self.holdings.announce(self.store.blobs())
