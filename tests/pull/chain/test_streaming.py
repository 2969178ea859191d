"""Blobs that only a registry has, wanted by one node or by many at once. Times are virtual, so bounds on them are exact."""

import asyncio

import pytest

from p2player.errors import DigestMismatch, DiskFull, P2PlayerError, TransferStalled, UpstreamUnreachable
from p2player.oci.reference import Repository
from p2player.peer.segments import Segment, new_run
from p2player.upstream.settings import UpstreamSettings

APP = Repository.of("registry.test", "team/app")
SIZE = 20_000_000
RATE = 1_000_000
"""Bytes a second that the registry gives each of its clients."""
ALONE = SIZE / RATE
SAMPLES = 0.02
"""Copies at most that go into comparing."""


@pytest.fixture
def registry(cluster):
    cluster.settings = [UpstreamSettings(APP.registry, ("https://registry.test",))]
    cluster.registry.rate = RATE
    cluster.registry.latency = 0.02
    cluster.peers.latency = 0.001
    return cluster.registry


@pytest.fixture
def blob(registry, make_blob):
    blob = make_blob(SIZE)
    registry.put(APP, blob.data)
    return blob


@pytest.fixture
def copies(registry, blob):
    """Return how many copies have left the registry."""
    return lambda: registry.sent[blob.digest] / SIZE


def read(node, blob):
    """Read the blob on a node in the background. The result is the seconds it took."""

    async def read():
        began = asyncio.get_running_loop().time()
        opened = await node.images.blob(blob.digest, APP)
        got = b"".join([chunk async for chunk in opened.read(0, opened.size)])
        assert got == blob.data
        return asyncio.get_running_loop().time() - began

    return asyncio.gather(read())


def head_of(nodes, blob):
    """Return the node that takes the blob from the registry."""
    (head,) = [node for node in nodes if node.relays.relay(blob.digest).place.depth == 0]
    return head


def between(nodes, blob):
    """Return a node that follows another and is followed."""
    relays = [(node, node.followers.standing(blob.digest, node.relays.relay(blob.digest))) for node in nodes]
    return next(node for node, standing in relays if standing.followers and standing.place.depth)


async def test_what_nobody_has_comes_from_the_registry_and_is_seeded_from_then_on(cluster, registry, blob, copies):
    node, other = cluster.add(), cluster.add()
    await read(node, blob)
    assert node.store.get(blob.digest).root == blob.metainfo.root
    assert node.staged() == []
    registry.faults[APP.registry] = "down"
    await asyncio.sleep(1)
    await read(other, blob)
    assert copies() == 1
    assert other.counters.bytes == {"local": 0, "peer": SIZE, "upstream": 0, "redundant": 0}


async def test_the_first_bytes_reach_the_reader_as_soon_as_they_are_here(cluster, blob):
    node = cluster.add()
    opened = await node.images.blob(blob.digest, APP)
    began = asyncio.get_running_loop().time()
    chunks = opened.read(0, opened.size)
    await anext(chunks)
    assert asyncio.get_running_loop().time() - began < 0.2
    await chunks.aclose()


async def test_the_last_bytes_wait_for_the_digest_and_not_for_the_disk(cluster, blob, monkeypatch):
    node = cluster.add()

    def adopt(*_):
        raise DiskFull("no room")

    monkeypatch.setattr(node.store, "adopt", adopt)
    await read(node, blob)
    await asyncio.sleep(1)
    assert node.store.blobs() == []
    assert node.staged() == []
    assert node.flights.get(blob.digest) is None


@pytest.mark.parametrize("count", [2, 16, 24])
async def test_all_who_want_it_at_once_get_one_copy_in_the_time_of_one(cluster, blob, copies, count):
    nodes = [cluster.add() for _ in range(count)]
    times = await asyncio.gather(*(read(node, blob) for node in nodes))
    assert 1 <= copies() < 1 + SAMPLES * max(1, count / 16)
    assert max(times)[0] < ALONE * 1.02


async def test_who_comes_later_follows_and_catches_up(cluster, blob, copies):
    first, second = cluster.add(), cluster.add()
    reading = read(first, blob)
    await asyncio.sleep(ALONE / 2)
    (seconds,) = await read(second, blob)
    assert seconds < ALONE * 0.52
    await reading
    assert 1 <= copies() < 1 + SAMPLES


async def test_when_the_head_dies_the_next_one_goes_on_where_it_is(cluster, blob, copies):
    nodes = [cluster.add() for _ in range(8)]
    reading = {node: read(node, blob) for node in nodes}
    await asyncio.sleep(ALONE / 2)
    head = head_of(nodes, blob)
    cluster.peers.dead.add(head.host)
    await head.flights.close()
    others = [reading[node] for node in nodes if node is not head]
    assert max(await asyncio.gather(*others))[0] < ALONE * 1.1
    assert copies() < 1.05 + SAMPLES
    with pytest.raises(P2PlayerError):
        await reading[head]


async def test_each_node_of_a_chain_knows_over_whom_its_source_takes_it(cluster, blob):
    nodes = [cluster.add() for _ in range(4)]
    reading = [read(node, blob) for node in nodes]
    await asyncio.sleep(1)
    before = {
        node.identity.node_id: [each.node for each in node.relays.relay(blob.digest).place.before] for node in nodes
    }
    assert sorted(map(len, before.values())) == [0, 1, 2, 3]
    last = max(before, key=lambda node: len(before[node]))
    chain = [last, *before[last]]
    assert chain[-1] == head_of(nodes, blob).identity.node_id
    assert [before[node] for node in chain] == [chain[1:], chain[2:], chain[3:], []]
    await asyncio.gather(*reading)
    assert all(node.relays.relay(blob.digest).place.before == () for node in nodes)


def in_line(nodes, blob):
    """Return the nodes of a chain in order, its head first."""
    return sorted(nodes, key=lambda node: node.relays.relay(blob.digest).place.depth)


@pytest.mark.parametrize("which", [[3], [3, 4], [3, 4, 5], [2, 4, 6]])
async def test_when_nodes_in_the_middle_freeze_those_behind_them_find_another_way_in_two_seconds(
    cluster, blob, copies, which
):
    nodes = [cluster.add() for _ in range(8)]
    reading = {node: read(node, blob) for node in nodes}
    await asyncio.sleep(ALONE / 2)
    frozen = [in_line(nodes, blob)[number] for number in which]
    cluster.peers.frozen.update(node.host for node in frozen)
    others = [reading[node] for node in nodes if node not in frozen]
    assert max(await asyncio.gather(*others))[0] < ALONE + 2.5
    assert copies() < 1.05 + SAMPLES


async def test_a_slow_node_in_the_middle_does_not_slow_those_behind_it_for_long(cluster, blob, copies):
    nodes = [cluster.add() for _ in range(8)]
    reading = {node: read(node, blob) for node in nodes}
    await asyncio.sleep(1)
    slow = between(nodes, blob)
    cluster.peers.rates[slow.host] = RATE / 10
    assert max(await asyncio.gather(*reading.values()))[0] < ALONE * 1.5
    assert copies() < 1.05 + SAMPLES


def spoilt(segment, data):
    return segment.pack() + bytes(len(data))


def forger(identity, digest, size):
    """Return what a liar sends that vouches itself for bytes of its own."""
    run = new_run()

    def forge(segment, data):
        return Segment.sign(identity, run, digest, size, segment.offset, bytes(len(data))).pack() + bytes(len(data))

    return forge


@pytest.mark.parametrize("who", [head_of, between])
async def test_who_passes_on_other_bytes_than_were_signed_is_banned_at_once_and_costs_nothing(
    cluster, blob, copies, who
):
    nodes = [cluster.add() for _ in range(8)]
    reading = {node: read(node, blob) for node in nodes}
    await asyncio.sleep(ALONE / 2)
    liar = who(nodes, blob)
    cluster.peers.lies[liar.host] = spoilt
    assert max(await asyncio.gather(*reading.values()))[0] < ALONE * 1.2
    assert copies() < (1.55 if who is head_of else 1.05) + SAMPLES, "a head that is left goes on for itself"
    banned = [node.store.bans() for node in nodes if node.store.bans()]
    assert banned == [{liar.identity.node_id.raw}] * len(banned)
    assert banned


def land(node, blob):
    """Fetch the blob on a node in the background, as what waits for it to be in the store does. The result is the seconds it took."""

    async def land():
        began = asyncio.get_running_loop().time()
        opened = await node.images.blob(blob.digest, APP)
        with opened.join() as flight:
            await flight.landed()
        return asyncio.get_running_loop().time() - began

    return asyncio.gather(land())


@pytest.mark.parametrize("after", [1, ALONE / 2, ALONE * 0.9])
@pytest.mark.parametrize("who", [head_of, between])
async def test_who_vouches_for_wrong_bytes_is_found_out_while_they_come(cluster, blob, who, after):
    nodes = [cluster.add() for _ in range(8)]
    landing = {node: land(node, blob) for node in nodes}
    await asyncio.sleep(after)
    liar = who(nodes, blob)
    cluster.peers.lies[liar.host] = forger(liar.identity, blob.digest, SIZE)
    times = await asyncio.gather(*(landing[node] for node in nodes if node is not liar))
    assert max(times)[0] < ALONE * (1.5 if who is head_of else 1.6)
    for node in nodes:
        assert node.store.get(blob.digest).root == blob.metainfo.root
        assert node.store.bans() <= {liar.identity.node_id.raw}


async def test_a_reader_of_wrong_bytes_is_cut_off(cluster, blob):
    nodes = [cluster.add() for _ in range(4)]
    reading = {node: read(node, blob) for node in nodes}
    await asyncio.sleep(1)
    liar = between(nodes, blob)
    cluster.peers.lies[liar.host] = forger(liar.identity, blob.digest, SIZE)
    results = await asyncio.gather(*reading.values(), return_exceptions=True)
    assert any(isinstance(result, DigestMismatch) for result in results), "what it was given cannot be taken back"
    cluster.peers.lies.clear()
    for node in nodes:
        await read(node, blob)


async def test_a_registry_that_sends_something_else_is_told_and_nothing_is_kept(cluster, registry, blob):
    node = cluster.add()
    registry.wrong[blob.digest] = bytes(SIZE)
    with pytest.raises(DigestMismatch):
        await read(node, blob)
    await asyncio.sleep(ALONE * 3)
    assert node.store.blobs() == []
    assert node.staged() == []
    assert node.flights.get(blob.digest) is None


async def test_a_registry_that_breaks_off_fails_the_pull_when_nobody_else_has_it(cluster, registry, blob):
    node = cluster.add()
    registry.broken[blob.digest] = SIZE // 2
    with pytest.raises(UpstreamUnreachable):
        await read(node, blob)
    assert node.staged() == []
    assert await cluster.add().discovery.find(blob.digest) == []


@pytest.mark.usefixtures("by_swarm")  # which is its subject
async def test_a_swarm_that_has_lost_its_seeds_gets_the_rest_from_the_registry(cluster, registry, blob, copies):
    seed, node = cluster.add(), cluster.add()
    await seed.add(blob.data)
    with cluster.net.holding_back(seed.address, 100):
        (seconds,) = await read(node, blob)
    share = 1 - 100 * blob.metainfo.piece_length / SIZE
    assert seconds < 5 + share * ALONE * 1.1
    assert copies() == pytest.approx(share, abs=0.01)
    assert node.counters.bytes["upstream"] + node.counters.bytes["peer"] == pytest.approx(SIZE, rel=0.01)


async def test_a_swarm_that_never_starts_is_left_for_the_registry(cluster, blob, copies):
    seed, node = cluster.add(), cluster.add()
    await seed.add(blob.data)
    cluster.peers.dead.add(seed.host)
    with cluster.net.holding_back(seed.address):
        (seconds,) = await read(node, blob)
    assert seconds < ALONE + 4
    assert copies() == 1


async def test_without_a_registry_and_without_anybody_ahead_the_pull_fails_within_seconds(cluster, blob):
    ghost, node = cluster.add(), cluster.add()
    await ghost.discovery.announce(blob.digest, SIZE, b"", complete=False)
    opened = await node.images.blob(blob.digest)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TransferStalled):
        async for _ in opened.read(0, opened.size):
            pass
    assert asyncio.get_running_loop().time() - began < 12
