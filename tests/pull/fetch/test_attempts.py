"""By which ways a blob comes, and what becomes of one that leads nowhere."""

import asyncio

import pytest

from p2player.errors import DigestMismatch, DiskFull
from p2player.pull.fetch.search import LIKELY_ENOUGH
from tests.pull.fetch.flying import fly


@pytest.mark.usefixtures("either_way")
async def test_who_fetches_says_so_and_is_followed_until_it_is_through(cluster, make_blob):
    seed, first, second = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 4):
        fetching = asyncio.gather(first.read(blob.digest))
        await asyncio.sleep(0.1)
        (record,) = [found for found in await second.discovery.find(blob.digest) if not found.complete]
        assert record.node_id == first.identity.node_id
        await seed.discovery.withdraw(blob.digest)
        following = asyncio.gather(second.read(blob.digest))
        await asyncio.sleep(0.1)
        assert second.flights.get(blob.digest).done == 4 * blob.metainfo.piece_length
    assert await fetching == await following == [blob.data]


async def test_a_liar_about_the_size_spoils_one_pull_at_most(cluster, make_blob):
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(1_100_000, seed=2)
    for liar in liars:
        await liar.lie(blob.digest, lie.data)
    await honest.add(blob.data)
    opened = await node.images.blob(blob.digest)
    assert opened.size == len(lie.data)
    with pytest.raises(DigestMismatch):
        async for _ in opened.read(0, opened.size):
            pass
    await asyncio.sleep(0.1)
    assert await node.read(blob.digest) == blob.data


async def test_a_size_that_does_not_fit_on_the_disk_does_not_hide_the_true_claim(cluster, make_blob):
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob = make_blob()
    for liar in liars:
        await liar.discovery.announce(blob.digest, 1 << 60, b"g" * 32, complete=True)
    await honest.add(blob.data)
    blob_here = await fly(node, blob.digest, await node.parts.search.look(blob.digest, LIKELY_ENOUGH))
    assert blob_here.size == len(blob.data)


@pytest.mark.usefixtures("either_way")
async def test_a_full_disk_is_told_as_such(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    digest = make_blob().digest
    await seed.discovery.announce(digest, 1 << 60, b"g" * 32, complete=True)
    with pytest.raises(DiskFull):
        await fly(node, digest, await node.parts.search.look(digest, LIKELY_ENOUGH))


async def test_a_small_blob_comes_over_the_peer_interface_and_no_swarm_is_joined(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob(5000)
    await seed.add(blob.data)
    assert await node.read(blob.digest) == blob.data
    assert cluster.peers.asked == [seed.host]
    assert node.swarms.served == frozenset()
    assert node.counters.bytes["peer"] == 5000


async def test_an_empty_blob_is_a_blob(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob(0)
    await seed.add(blob.data)
    assert await node.read(blob.digest) == b""
    assert node.store.get(blob.digest).size == 0


async def test_when_all_holders_of_a_small_blob_are_gone_new_ones_are_looked_for(cluster, make_blob):
    gone, late, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob(5000)
    await gone.add(blob.data)
    cluster.peers.dead.add(gone.host)
    claims = await node.parts.search.look(blob.digest, LIKELY_ENOUGH)
    await late.add(blob.data)
    assert (await fly(node, blob.digest, claims)).size == 5000
    assert node.store.bans() == frozenset()
