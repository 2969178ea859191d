"""What few nodes announce, or only strangers: a little of it is compared with the registry. Times are virtual."""

import asyncio
from contextlib import ExitStack

import pytest

from p2player.errors import P2PlayerError
from p2player.oci.reference import Repository
from p2player.peer.evidence import seal_piece
from p2player.pull.chain.trust import MOST_LIARS
from p2player.pull.integrity.sampling import ENOUGH
from p2player.upstream.settings import UpstreamSettings
from tests.madeup import MadeUp

APP = Repository.of("registry.test", "team/app")
SIZE = 8_000_000
BLOCKS = 2 * 16 * 1024
"""Bytes that are compared of a blob that comes by a swarm."""


@pytest.fixture
def registry(cluster):
    cluster.settings = [UpstreamSettings(APP.registry, ("https://registry.test",))]
    return cluster.registry


@pytest.fixture
def blob(registry, make_blob):
    blob = make_blob(SIZE)
    registry.put(APP, blob.data)
    return blob


@pytest.fixture
def holders(cluster):
    """Two of them: what one alone has goes through a chain."""
    return cluster.add(), cluster.add()


async def read(node, blob):
    opened = await node.images.blob(blob.digest, APP)
    with opened.join() as flight:
        await flight.landed()
    assert node.store.path(blob.digest).read_bytes() == blob.data


async def read_slowly(cluster, node, blob, *holders):
    """Read while the holders give a third of it, until the fetch has had time to look at that."""
    with ExitStack() as slow:
        for holder in holders:
            slow.enter_context(cluster.net.holding_back(holder.address, SIZE // 3 // blob.metainfo.piece_length))
        reading = asyncio.gather(read(node, blob))
        await asyncio.sleep(1)
    await reading


async def test_what_liars_have_agreed_on_is_left_for_the_registry_and_they_are_banned(
    cluster, blob, holders, make_blob
):
    made_up = make_blob(SIZE, seed=1)
    for liar in holders:
        await liar.lie(blob.digest, made_up.data)
    node = cluster.add()
    await read_slowly(cluster, node, blob, *holders)
    assert node.store.bans() == {liar.identity.node_id.raw for liar in holders}
    assert node.counters.bytes["upstream"] == SIZE + 16 * 1024
    assert "what comes is not what the registry has: asking the registry for it" in node.history(blob.digest)


@pytest.mark.parametrize("count", [MOST_LIARS, MOST_LIARS + 1])
async def test_what_honest_nodes_have_is_compared_unless_they_are_many_and_known(
    cluster, registry, blob, make_blob, count
):
    holders = [cluster.add() for _ in range(count)]
    for holder in holders:
        await holder.add(blob.data)
    node = cluster.add()
    await read_slowly(cluster, node, blob, *holders)
    assert 0 < registry.sent[blob.digest] <= BLOCKS
    another = make_blob(SIZE, seed=2)
    registry.put(APP, another.data)
    for holder in holders:
        await holder.add(another.data)
    await read_slowly(cluster, node, another, *holders)
    assert (registry.sent[another.digest] > 0) == (count <= MOST_LIARS)
    assert node.store.bans() == frozenset()


async def test_liars_that_have_given_right_bytes_before_are_found_out_as_soon(
    cluster, registry, blob, holders, make_blob
):
    before, made_up = make_blob(SIZE, seed=2), make_blob(SIZE, seed=1)
    registry.put(APP, before.data)
    for holder in holders:
        await holder.add(before.data)
    node = cluster.add()
    await read_slowly(cluster, node, before, *holders)
    for holder in holders:
        await holder.lie(blob.digest, made_up.data)
    await read_slowly(cluster, node, blob, *holders)
    assert node.store.bans() == {holder.identity.node_id.raw for holder in holders}
    assert "what comes is not what the registry has: asking the registry for it" in node.history(blob.digest)


async def test_a_registry_that_is_wrong_itself_costs_a_fetch_and_nobody_is_banned(
    cluster, registry, blob, holders, make_blob
):
    registry.wrong[blob.digest] = make_blob(SIZE, seed=3).data
    for holder in holders:
        await holder.add(blob.data)
    node = cluster.add()
    await read_slowly(cluster, node, blob, *holders)
    assert node.store.bans() == frozenset()


@pytest.mark.parametrize("fault", ["down", "hang"])
async def test_a_registry_that_does_not_tell_is_no_hindrance(cluster, registry, blob, holders, fault):
    for holder in holders:
        await holder.add(blob.data)
    node = cluster.add()
    registry.faults[APP.registry] = fault
    await read_slowly(cluster, node, blob, *holders)


@pytest.mark.parametrize("is_root_right", [False, True])
async def test_what_the_only_holder_has_made_up_is_found_out_near_its_beginning(
    cluster, registry, blob, make_blob, monkeypatch, is_root_right
):
    liar, node = cluster.add(), cluster.add()
    made_up = make_blob(SIZE, seed=1)
    cluster.peers.rates[liar.host] = registry.rate = 1_000_000
    await liar.lie(blob.digest, made_up.data)
    if is_root_right:
        await liar.discovery.announce(blob.digest, SIZE, blob.metainfo.root, complete=True)
    monkeypatch.setattr(liar.relays, "relay", lambda digest: MadeUp(liar.identity, digest, made_up.data))

    async def piece(digest, index):
        length = blob.metainfo.piece_length
        return seal_piece(liar.identity, digest, index, made_up.data[index * length : (index + 1) * length])

    monkeypatch.setattr(liar.witness, "piece", piece)
    began = asyncio.get_running_loop().time()
    await read(node, blob)
    assert asyncio.get_running_loop().time() - began < 8.0 * 1.2
    await asyncio.sleep(1)
    assert node.store.bans() == {liar.identity.node_id.raw}


async def test_an_honest_node_that_alone_has_it_is_followed_to_the_end_though_the_registry_is_wrong(
    cluster, registry, blob, make_blob
):
    holder, node = cluster.add(), cluster.add()
    registry.wrong[blob.digest] = make_blob(SIZE, seed=3).data
    cluster.peers.rates[holder.host] = registry.rate = 1_000_000
    await holder.add(blob.data)
    await read(node, blob)
    await asyncio.sleep(1)
    assert node.store.bans() == frozenset()


async def test_bytes_of_a_few_do_not_make_a_node_known(cluster, registry, holders, make_blob):
    small, large = make_blob(ENOUGH // 2), make_blob(SIZE)
    registry.put(APP, small.data, large.data)
    for holder in holders:
        await holder.add(small.data, large.data)
    node = cluster.add()
    await read(node, small)
    await read_slowly(cluster, node, large, *holders)
    assert registry.opened[large.digest] == 2


async def test_without_a_registry_nothing_is_compared_and_a_lie_is_found_out_by_its_digest(cluster, holders, make_blob):
    blob, made_up = make_blob(SIZE), make_blob(SIZE, seed=1)
    for liar in holders:
        await liar.lie(blob.digest, made_up.data)
    node = cluster.add()
    opened = await node.images.blob(blob.digest)
    with opened.join() as flight, pytest.raises(P2PlayerError):
        await flight.landed()
    assert node.store.get(blob.digest) is None
