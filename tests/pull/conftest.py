"""A cluster in memory, in virtual time: real stores, flights and names over the twins of DHT, swarm and peer interface."""

import asyncio
import json
import random
import selectors
from concurrent.futures import Executor
from dataclasses import dataclass

import pytest

from p2player.counters import Counters
from p2player.dht.discovery import MemoryCluster, MemoryDiscovery
from p2player.dht.records import NodeAddress
from p2player.errors import DigestMismatch, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity
from p2player.pull.flight import Parts
from p2player.pull.flights import Flights
from p2player.pull.holders import Claim, Holder
from p2player.pull.holdings import Holdings
from p2player.pull.images import Images
from p2player.pull.journal import Journal
from p2player.pull.names import Names
from p2player.pull.search import Search
from p2player.store.merkle import MerkleHasher
from p2player.store.store import Store
from p2player.swarm.memory import MemoryNet
from p2player.swarm.metainfo import Metainfo

EPOCH_MS = 1_800_000_000_000
SALT = b"of the cluster"
LAYER = 1_000_000
"""Bytes of a blob that comes through a swarm, in 16 pieces."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: it moves the loop's clock on instead."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen again"
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only while there is nothing to do; what is meant for a thread is done on the spot."""

    def __init__(self):
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now

    def run_in_executor(self, executor: Executor | None, func, *args):
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (the waiter gets it)
            future.set_exception(error)
        return future


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualTimeLoop}


class FakePeers:
    """The peer interface of every node of a cluster: what is asked comes at once, unless the node is one of these."""

    def __init__(self):
        self.nodes = {}
        self.dead = set()
        self.slow = {}
        self.lying = set()
        self.asked = []

    async def get_small(self, host, port, digest, *, timeout):  # noqa: ASYNC109  (as the client has it)
        self.asked.append(host)
        await asyncio.sleep(min(self.slow.get(host, 0), timeout))
        if host in self.dead or host not in self.nodes or self.slow.get(host, 0) >= timeout:
            raise PeerUnreachable(f"{host}:{port} did not answer")
        if host in self.lying:
            raise DigestMismatch(f"{host}:{port} sent other bytes than {digest}")
        data = self.nodes[host].holdings.small(digest)
        if data is None:
            raise PeerUnreachable(f"{host}:{port} answered 404 for {digest}")
        return data


@dataclass(frozen=True)
class Blob:
    data: bytes
    digest: Digest
    metainfo: Metainfo

    @classmethod
    def of(cls, data):
        hasher = MerkleHasher()
        hasher.update(data)
        return cls(data, Digest.of(data), Metainfo(Digest.of(data), len(data), hasher.finish().root, SALT))

    def claim(self, *nodes, complete=True):
        return Claim(self.metainfo, tuple(node.holder(complete=complete) for node in nodes))


class MemoryNode:
    """Everything of a node but its sockets."""

    def __init__(self, cluster, number):
        self._cluster = cluster
        self.host = f"10.0.0.{number}"
        self.address = (self.host, 7401)
        self.identity = Identity.from_seed(number.to_bytes(32, "big"))
        self.data_dir = cluster.root / str(number)
        self.start()

    def start(self):
        cluster = self._cluster
        self.store = Store.open(self.data_dir, reserve=0)
        address = NodeAddress(self.host, 7400, 7401)
        self.discovery = MemoryDiscovery(cluster.records, self.identity, address, cluster.now_ms)
        self.swarms = cluster.net.node(self.address)
        self.holdings = Holdings(self.store, self.swarms, self.discovery, self.identity, SALT, now_ms=cluster.now_ms)
        self.counters = Counters()
        self.journal = Journal(lambda: cluster.now_ms() / 1000)
        self.parts = Parts(
            store=self.store,
            discovery=self.discovery,
            search=Search(self.discovery, self.journal, SALT, self.store.bans),
            swarms=self.swarms,
            peers=cluster.peers,
            holdings=self.holdings,
            counters=self.counters,
            journal=self.journal,
        )
        self.flights = Flights(self.parts)
        self.names = Names(self.store, self.discovery, self.holdings)
        self.images = Images(self.parts, self.names, self.flights)
        self.holdings.seed(self.store.blobs())
        cluster.peers.nodes[self.host] = self

    async def close(self):
        await self.flights.close()
        await self.names.close()
        self.store.close()

    async def restart(self):
        await self.close()
        self.start()
        for row in self.store.names():
            await self.holdings.republish(row)
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
        self.swarms.seed(Metainfo(digest, len(data), blob.metainfo.root, SALT), path, b"")
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
        self.records = MemoryCluster()
        self.net = MemoryNet()
        self.peers = FakePeers()
        self.nodes = []

    def now_ms(self):
        return EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)

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
