import asyncio

import pytest

from p2player.errors import BlobNotFound, TransferStalled
from p2player.pull.pulling import Pulling


async def follow(node, *digests):
    return [progress async for progress in Pulling(digests, node.images.blob).follow()]


async def test_each_blobs_progress_is_told_whenever_it_changes_up_to_its_end(cluster, make_blob, either_way):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    source = "10.0.0.1:7401" if either_way == "swarm" else seed.identity.node_id.short
    told = []
    with cluster.holding_back(seed, 8):
        following = Pulling([blob.digest], node.images.blob).follow()
        while not told or told[-1].done == 0:
            told.append(await anext(following))
        assert (told[-1].state, told[-1].size) == ("fetching", len(blob.data))
        assert told[-1].done == 8 * blob.metainfo.piece_length
        assert dict(told[-1].by_peer) == {source: told[-1].done}
        await asyncio.sleep(0.5)
    told += [progress async for progress in following]
    assert (told[-1].state, told[-1].done, told[-1].size) == ("done", len(blob.data), len(blob.data))
    assert told[-1].seconds >= 0.5
    assert len(set(told)) == len(told), "nothing is told twice"
    order = ["waiting", "fetching", "done"]
    assert [order.index(progress.state) for progress in told] == sorted(order.index(p.state) for p in told)


async def test_what_is_here_is_told_as_present(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    told = await follow(node, blob.digest)
    assert [(progress.state, progress.done) for progress in told] == [("present", len(blob.data))]


async def test_a_small_blob_is_told_with_the_node_it_came_from(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob(1000)
    await seed.add(blob.data)
    told = await follow(node, blob.digest)
    assert told[-1].by_peer == ((seed.identity.node_id.short, 1000),)


@pytest.mark.usefixtures("either_way")
async def test_only_a_few_are_fetched_at_once(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blobs = [make_blob(300_000, seed=number) for number in range(6)]
    await seed.add(*(blob.data for blob in blobs))
    with cluster.holding_back(seed, 2):
        following = asyncio.gather(follow(node, *(blob.digest for blob in blobs)))
        await asyncio.sleep(1)
        assert sum(node.flights.get(blob.digest) is not None for blob in blobs) == 4
    (told,) = await following
    assert {progress.digest for progress in told if progress.state == "done"} == {blob.digest for blob in blobs}


@pytest.mark.usefixtures("either_way")
async def test_one_that_cannot_be_had_ends_it_and_the_others_are_left_to_themselves(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob, missing = make_blob(seed=1), make_blob(seed=2)
    await seed.add(blob.data)
    with cluster.holding_back(seed, 2), pytest.raises(BlobNotFound):
        await follow(node, blob.digest, missing.digest)
    await asyncio.sleep(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert node.staged() == []


@pytest.mark.usefixtures("either_way")
async def test_who_stops_following_leaves_nothing_running(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 2):
        following = Pulling([blob.digest], node.images.blob).follow()
        await anext(following)
        await following.aclose()
        await asyncio.sleep(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert node.staged() == []


@pytest.mark.usefixtures("either_way")
async def test_a_stall_is_an_error(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 2), pytest.raises(TransferStalled):
        await follow(node, blob.digest)


async def test_nothing_to_bring_is_done_at_once(cluster):
    assert await follow(cluster.add()) == []
