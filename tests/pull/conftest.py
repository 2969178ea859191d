"""A cluster in memory, in virtual time: real stores, flights and names over the twins of DHT, swarm and peer interface."""

import asyncio
import json
import math
import random
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from p2player.counters import Counters
from p2player.dht.discovery import MemoryCluster, MemoryDiscovery
from p2player.dht.records import NodeAddress
from p2player.errors import P2PlayerError, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from p2player.oci.reference import Reference
from p2player.peer.address import Whereabouts
from p2player.peer.client import OtherBytes, SentOn
from p2player.peer.identity import Identity
from p2player.peer.relay import Followers, Sent
from p2player.peer.standing import Neighbour
from p2player.pull.access.access import Access
from p2player.pull.access.owners import Owners
from p2player.pull.chain.relays import Relays
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.flights import Flights
from p2player.pull.fetch.holders import Claim, Holder, Lead, Sighting
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
from p2player.store.merkle import MerkleHasher, piece_length
from p2player.store.store import Store
from p2player.swarm.memory import MemoryNet
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.realm import Realm
from p2player.upstream.memory import MemoryRegistry, MemoryUpstreams
from tests.virtual_time import VirtualTimeLoop

EPOCH_MS = 1_800_000_000_000
REALM = Realm(b"of the cluster")
LAYER = 1_000_000
"""Bytes of a blob that comes through a swarm, in 16 pieces."""


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualTimeLoop}


class FakePeers:
    """The peer interface of every node of a cluster: what is asked comes at once, unless the node is one of these."""

    def __init__(self):
        self.nodes = {}
        self.dead = set()
        self.slow = {}
        self.lying = {}
        """Who signs the other bytes that are sent from a host."""
        self.asked = []
        self.latency = 0.0
        self.rates = {}
        self.frozen = set()
        self.kept_back = {}
        """By host, the number of the first piece of which a node sends nothing to those who follow it."""
        self.lies = {}
        """By host, what a node sends instead of a segment."""

    async def get_small(self, host, port, digest, *, timeout):  # noqa: ASYNC109  (as the client has it)
        self.asked.append(host)
        await asyncio.sleep(min(self.slow.get(host, 0), timeout))
        if host in self.dead or host not in self.nodes or self.slow.get(host, 0) >= timeout:
            raise PeerUnreachable(f"{host}:{port} did not answer")
        if host in self.lying:
            raise OtherBytes(f"{host}:{port} sent other bytes than {digest}", self.lying[host])
        data = self.nodes[host].holdings.small(digest)
        if data is None:
            raise PeerUnreachable(f"{host}:{port} answered 404 for {digest}")
        return data

    def of(self, me):
        """Return the peer interface as one node uses it."""
        return FakePeer(self, me)


class FakePeer:
    """What one node asks of the others."""

    def __init__(self, peers, me):
        self._peers = peers
        self._me = Neighbour(me.identity.node_id, me.host, 7400)

    async def get_small(self, host, port, digest, *, timeout):  # noqa: ASYNC109  (as the client has it)
        return await self._peers.get_small(host, port, digest, timeout=timeout)

    async def standing(self, host, port, digest, *, front=0, wrong=None, timeout):  # noqa: ASYNC109  (as the client has it)
        await asyncio.sleep(timeout if host in self._peers.frozen else self._peers.latency)
        node = self._peers.nodes.get(host)
        if (
            node is None
            or host in self._peers.dead | self._peers.frozen
            or (relay := node.relays.relay(digest)) is None
        ):
            return None
        if wrong is not None:
            relay.warned(self._me, wrong)
        return node.followers.standing(digest, relay, front)

    async def evidence(self, host, port, digest, *, timeout):  # noqa: ASYNC109  (as the client has it)
        return await self._ask(host, timeout, lambda node: node.witness.evidence(digest))

    async def piece(self, host, port, digest, index, *, timeout):  # noqa: ASYNC109  (as the client has it)
        return await self._ask(host, timeout, lambda node: node.witness.piece(digest, index))

    async def address(self, host, port, nonce, *, timeout):  # noqa: ASYNC109  (as the client has it)
        async def sealed(node):
            return node.whereabouts.sealed(nonce, node.host)

        return await self._ask(host, timeout, sealed)

    async def _ask(self, host, patience, question):
        slow = self._peers.slow.get(host, 0)
        await asyncio.sleep(min(slow, patience))
        node = self._peers.nodes.get(host)
        if node is None or host in self._peers.dead or slow >= patience:
            raise PeerUnreachable(f"{host} did not answer")
        if (answer := await question(node)) is None:
            raise PeerUnreachable(f"{host} did not answer")
        return answer

    @asynccontextmanager
    async def follow(self, host, port, digest, start, *, insist):
        await asyncio.sleep(self._peers.latency)
        while host in self._peers.frozen:  # noqa: ASYNC110  (a test sets it)
            await asyncio.sleep(0.1)
        node = self._peers.nodes.get(host)
        if node is None or host in self._peers.dead or (relay := node.relays.relay(digest)) is None:
            raise PeerUnreachable(f"{host}:{port} did not answer")
        if instead := node.followers.instead(digest, self._me, start, relay, insist=insist):
            raise SentOn(instead)
        with node.followers.serving(digest, self._me):
            async with aclosing(self._chunks(host, digest, relay, start)) as chunks:
                yield Sent(node.followers.standing(digest, relay), chunks)

    async def _chunks(self, host, digest, relay, start):
        peers = self._peers
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            async with aclosing(relay.read(start)) as segments:
                async for segment, data in segments:
                    chunk = segment.pack() + data
                    due = max(due, loop.time() - 0.1) + len(chunk) / peers.rates.get(host, math.inf)
                    await asyncio.sleep(max(peers.latency, due - loop.time()))
                    piece = segment.offset // piece_length(relay.size)
                    while host in peers.frozen or piece >= peers.kept_back.get(host, math.inf):  # noqa: ASYNC110  (a test sets it)
                        await asyncio.sleep(0.1)
                    if host in peers.dead:
                        raise PeerUnreachable(f"{host} has died")
                    yield peers.lies[host](segment, data) if host in peers.lies else chunk
        except P2PlayerError as error:
            raise PeerUnreachable(f"{host} broke off") from error


@dataclass(frozen=True)
class Blob:
    data: bytes
    digest: Digest
    metainfo: Metainfo

    @classmethod
    def of(cls, data):
        hasher = MerkleHasher()
        hasher.update(data)
        return cls(data, Digest.of(data), Metainfo(Digest.of(data), len(data), hasher.finish().root, REALM))

    def claim(self, *nodes, complete=True):
        return Claim(self.metainfo, tuple(node.holder(complete=complete) for node in nodes))

    def lead(self, *nodes, complete=True):
        """Return what is known of the blob by one look at these nodes' records."""
        return Lead(self.digest, len(self.data), Sighting((self.claim(*nodes, complete=complete),)))


class MemoryNode:
    """Everything of a node but its sockets."""

    def __init__(self, cluster, number):
        self._cluster = cluster
        self.host = f"10.0.0.{number}"
        self.address = (self.host, 7401)
        self.identity = Identity.from_seed(number.to_bytes(32, "big"))
        self.data_dir = cluster.root / str(number)
        self.publishers = ()
        self.start()

    def start(self):
        cluster = self._cluster
        self.store = Store.open(self.data_dir, reserve=0)
        address = NodeAddress(self.host, 7400, 7401)
        self.counters = Counters()
        self.beliefs = Beliefs(self.publishers, self.identity.node_id, self.counters, self.store.bans)
        self.discovery = MemoryDiscovery(cluster.records, self.identity, address, cluster.now_ms, self.beliefs.believes)
        self.swarms = cluster.net.node(self.address)
        self.holdings = Holdings(
            self.store, self.swarms, self.discovery, self.identity, lambda: cluster.realms, now_ms=cluster.now_ms
        )
        self.relays = Relays(self.store, self.holdings, self.identity)
        self.trust = Trust(self.store.bans, lambda: cluster.now_ms() / 1000)
        self.followers = Followers()
        self.witness = Witness(self.store, self.holdings, self.identity)
        self.whereabouts = Whereabouts(self.identity, lambda: self.address)
        self.upstreams = MemoryUpstreams(cluster.registry, *cluster.settings, counters=self.counters)
        self.owners = Owners(self.store, self.holdings)
        self.access = Access(self.upstreams, self.store, self.owners, self.counters)
        self.journal = Journal(lambda: cluster.now_ms() / 1000)
        self.scrub = Scrub(self.store, self.holdings.drop)
        self.suspects = Suspects(self.store, cluster.peers.of(self), self.journal)
        self.parts = Parts(
            store=self.store,
            discovery=self.discovery,
            search=Search(self.discovery, self.journal, lambda: cluster.realms, self.store.bans),
            swarms=self.swarms,
            peers=cluster.peers.of(self),
            relays=self.relays,
            trust=self.trust,
            suspects=self.suspects,
            access=self.access,
            owners=self.owners,
            holdings=self.holdings,
            scrub=self.scrub,
            counters=self.counters,
            journal=self.journal,
            node_id=self.identity.node_id,
        )
        self.flights = Flights(self.parts)
        self.names = Names(
            self.store,
            self.discovery,
            self.holdings,
            self.access,
            self.beliefs,
            now=lambda: cluster.now_ms() / 1000,
        )
        self.images = Images(self.parts, self.names, self.flights)
        self.holdings.seed(self.store.blobs())
        cluster.peers.nodes[self.host] = self

    async def close(self):
        await self.flights.close()
        await self.suspects.close()
        await self.names.close()
        await self.owners.close()
        self.store.close()

    async def restart(self):
        await self.close()
        self.start()
        await self.names.republish()
        await self.holdings.announce(self.store.blobs())

    def holder(self, *, complete=True):
        return Holder(self.address, complete, self.identity.node_id, (self.host, 7400))

    async def add(self, *blobs, name=None, root=None):
        """Take in blobs as `p2player seed` does, the document root under a name."""
        with self.store.begin_import() as importing:
            stored = []
            for data in blobs:
                writer = importing.add(Digest.of(data), len(data))
                writer.write(data)
                stored.append(writer.finish())
            rows = [self.holdings.name_row(Reference.parse(name), root.descriptor)] if name else []
            importing.commit(rows)
        await self.holdings.add(stored)
        for row in rows:
            await self.holdings.publish(row)

    async def add_image(self, image, name):
        await self.add(*image.blobs, name=name, root=image.document)

    async def lie(self, digest, data):
        """Announce data under a digest that is not its own, and serve it."""
        blob = Blob.of(data)
        path = self.data_dir / "lie"
        path.write_bytes(data)
        self.swarms.seed(Metainfo(digest, len(data), blob.metainfo.root, REALM), path, b"")
        await self.discovery.announce(digest, len(data), blob.metainfo.root, complete=True)

    async def read(self, digest, start=0, stop=None):
        blob = await self.images.blob(digest)
        return b"".join([chunk async for chunk in blob.read(start, blob.size if stop is None else stop)])

    def staged(self):
        return [path for path in (self.data_dir / "staging").rglob("*") if path.is_file()]

    def history(self, digest):
        return [entry.what for entry in self.journal.of(digest)]


class MemoryNodes:
    """All nodes of a test."""

    def __init__(self, root):
        self.root = root
        self.realms = (REALM,)
        self.records = MemoryCluster()
        self.net = MemoryNet()
        self.peers = FakePeers()
        self.registry = MemoryRegistry()
        self.settings = []
        self.nodes = []

    def now_ms(self):
        return EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)

    @contextmanager
    def holding_back(self, node, first=0):
        """Let a node give no piece from number first on to anybody, in a swarm or a chain, while the context lasts."""
        self.peers.kept_back[node.host] = first
        try:
            with self.net.holding_back(node.address, first):
                yield
        finally:
            del self.peers.kept_back[node.host]

    def add(self):
        node = MemoryNode(self, len(self.nodes) + 1)
        self.nodes.append(node)
        return node


@pytest.fixture
async def cluster(tmp_path):
    nodes = MemoryNodes(tmp_path)
    yield nodes
    for node in nodes.nodes:
        await node.close()


@pytest.fixture
def make_blob():
    """Return a blob of random bytes; another seed, other bytes."""

    def make(size=LAYER, *, seed=0):
        return Blob.of(random.Random(f"{size} {seed}").randbytes(size))

    return make


@dataclass(frozen=True)
class Image:
    document: Document
    blobs: tuple[bytes, ...]

    @property
    def layer(self):
        return self.document.content.layers[0].digest


def _described(media_type, data):
    return Descriptor(media_type, Digest.of(data), len(data))


@pytest.fixture
def make_image():
    """Return an image of one layer; `subject` makes it speak of another."""

    def make(seed=0, *, architecture="amd64", subject=None):
        layer = random.Random(f"layer {seed}").randbytes(LAYER)
        config = json.dumps({"os": "linux", "architecture": architecture, "seed": seed}).encode()
        members = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _described(OCI_CONFIG, config).to_json(),
            "layers": [_described(OCI_LAYER, layer).to_json()],
        }
        if subject:
            members |= {"subject": subject.descriptor.to_json(), "artifactType": "application/vnd.example.note"}
        document = Document.parse(json.dumps(members).encode())
        return Image(document, (layer, config, document.raw))

    return make


@pytest.fixture
def make_index():
    """Return an index over documents by their architecture."""

    def make(**documents):
        entries = [
            document.descriptor.to_json() | {"platform": {"os": "linux", "architecture": architecture}}
            for architecture, document in documents.items()
        ]
        return Document.parse(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode())

    return make
