"""Sixteen nodes that fetch a blob from a registry in a chain, some of which lie. Whole nodes in one process."""

import asyncio
import random

import pytest

from p2player.config import Config, HostPort
from p2player.node import Node
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.peer.segments import Segment, new_run, segment_bytes
from p2player.pull.chain.incoming import Incoming
from p2player.upstream.settings import UpstreamSettings
from tests.faults.origin import PacedRegistry
from tests.wrongbytes import require_same

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

ANY = HostPort("127.0.0.1", 0)
APP = Repository.of("registry.test", "team/app")
NODES = 16
RATE = 2 << 20
"""Bytes a second that the registry sends each of its clients. A liar that is left goes on for itself: were it a rate for all, what
it takes would be measured, and not what it says."""
LOADED = 1.0
"""Seconds that a machine with other work may add."""
SEED = 4


class Liars:
    """What some nodes make of the segments they pass on."""

    def __init__(self, monkeypatch):
        self._lies = {}
        read, front = Incoming.read, Incoming.front

        async def lying(incoming, start):
            async for segment, data in read(incoming, start):
                lie = self._lies.get(incoming._identity.node_id)
                yield lie(segment, data) if lie else (segment, data)

        def silent(incoming, offset):
            return "" if incoming._identity.node_id in self._lies else front(incoming, offset)

        monkeypatch.setattr(Incoming, "read", lying)
        monkeypatch.setattr(Incoming, "front", silent)

    def spoil(self, node):
        """Let node send other bytes than were signed."""
        self._lies[node.identity.node_id] = lambda segment, data: (segment, bytes(len(data)))

    def forge(self, node, digest, size):
        """Let node send bytes that it has made up, and sign them itself, as a blob of that digest and size."""
        run = new_run()

        def lie(segment, data):
            made_up = bytes(len(data))
            return Segment.sign(node.identity, run, digest, size, segment.offset, made_up), made_up

        self._lies[node.identity.node_id] = lie


@pytest.fixture
def size(request):
    return getattr(request, "param", 16 << 20)


@pytest.fixture
def data(size):
    return random.Random(SEED).randbytes(size)


@pytest.fixture
def digest(data):
    return Digest.of(data)


@pytest.fixture
def other(size):
    """Another blob, about which nobody lies."""
    return random.Random(SEED + 1).randbytes(size)


@pytest.fixture
async def registry(data, other):
    async with PacedRegistry(RATE, data, other) as registry:
        yield registry


@pytest.fixture
async def nodes(tmp_path, registry):
    running = []
    try:
        for number in range(NODES):
            join = (HostPort.parse(running[0].cluster_address),) if running else ()
            upstream = UpstreamSettings(APP.registry, (registry.url,))
            config = Config(tmp_path / str(number), ANY, ANY, join, upstreams=(upstream,), configured_only=True)
            running.append(await Node.start(config))
        async with asyncio.timeout(20):
            while not all(node.dht.contacts() for node in running):  # noqa: ASYNC110  (the nodes' doing)
                await asyncio.sleep(0.02)
        yield running
    finally:
        for node in running:
            await node.close()


@pytest.fixture
def liars(monkeypatch):
    return Liars(monkeypatch)


async def land(node, digest):
    """Fetch the blob on a node, and return how many seconds it took to be in the store."""
    began = asyncio.get_running_loop().time()
    blob = await node.images.blob(digest, APP)
    with blob.join() as flight:
        await flight.landed()
    return asyncio.get_running_loop().time() - began


def source(node, digest):
    """Return the id of the node that a node follows, None if it takes the blob from the registry."""
    return getattr(node.images._blobs._flights.get(digest)._attempts.current._course.source, "node", None)


async def chain(nodes, digest):
    """Return the nodes in the order of their chain, once it has formed and bytes flow."""
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0.1)
            relays = [node.images._parts.relays.relay(digest) for node in nodes]
            if all(relay and relay.offset >= 4 * SEGMENT for relay in relays):
                behind = {source(node, digest): node for node in nodes}
                order = [behind[None]]
                while (follower := behind.get(order[-1].identity.node_id)) is not None:
                    order.append(follower)
                if len(order) > NODES // 2:
                    return order


async def all_land(nodes, digest, lie):
    """Fetch the blob on all nodes, let `lie` pick the liars once the chain runs, and return them and the longest time."""
    fetching = {node: asyncio.gather(land(node, digest)) for node in nodes}
    liars = lie(await chain(nodes, digest))
    times = await asyncio.gather(*(fetching[node] for node in nodes if node not in liars))
    await asyncio.gather(*(fetching[node] for node in liars), return_exceptions=True)
    return liars, max(times)[0]


def require_right(nodes, liars, digest, data):
    """Require that whoever is honest has the right bytes and has banned nobody who is."""
    allowed = {liar.identity.node_id.raw for liar in liars}
    for node in nodes:
        if node not in liars:
            require_same(node.store.path(digest).read_bytes(), data)
            assert node.store.bans() <= allowed


@pytest.fixture
async def honest(nodes, registry, other):
    """Return the seconds that all nodes need if nobody lies."""
    _, seconds = await all_land(nodes, Digest.of(other), lambda _: [])
    require_right(nodes, [], Digest.of(other), other)
    assert registry.sent < len(other) * 1.1
    return seconds


@pytest.mark.parametrize(
    ("places", "size"),
    [((5,), 8 << 20), pytest.param((1, 3, 6), 16 << 20, marks=pytest.mark.faults)],
    indirect=["size"],
)
async def test_who_sends_other_bytes_than_were_signed_is_banned_by_who_follows_it(
    honest, nodes, digest, data, liars, places
):
    def lie(order):
        chosen = [order[place] for place in places]
        for liar in chosen:
            liars.spoil(liar)
        return chosen

    found, seconds = await all_land(nodes, digest, lie)
    require_right(nodes, found, digest, data)
    banned = set().union(*(node.store.bans() for node in nodes))
    assert banned == {liar.identity.node_id.raw for liar in found}
    assert seconds < honest * 1.5 + LOADED


@pytest.mark.faults
@pytest.mark.parametrize("places", [(5,), (1, 3, 6)])
async def test_who_signs_bytes_of_its_own_is_left_while_they_come(honest, nodes, digest, data, liars, places):
    def lie(order):
        chosen = [order[place] for place in places]
        for liar in chosen:
            liars.forge(liar, digest, len(data))
        return chosen

    found, seconds = await all_land(nodes, digest, lie)
    require_right(nodes, found, digest, data)
    assert seconds < honest * (1.5 if len(found) == 1 else 2)


@pytest.mark.faults
async def test_a_head_that_makes_up_what_it_passes_on_spoils_nobodys_blob(honest, nodes, digest, data, liars):
    def lie(order):
        liars.forge(order[0], digest, len(data))
        return order[:1]

    found, seconds = await all_land(nodes, digest, lie)
    require_right(nodes, found, digest, data)
    assert seconds < honest * 1.5 + LOADED
