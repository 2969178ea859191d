import asyncio

import pytest

from p2player.errors import TransferStalled

pytestmark = pytest.mark.usefixtures("either_way")

LINGER = 15


async def test_many_readers_share_one_fetch(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    readers = await asyncio.gather(*(node.read(blob.digest) for _ in range(20)))
    assert readers == [blob.data] * 20
    assert node.counters.bytes["peer"] == len(blob.data)
    assert sum(what.startswith(("fetching", "following")) for what in node.history(blob.digest)) == 1


async def test_a_reader_that_comes_later_joins_what_is_under_way(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        first = asyncio.gather(node.read(blob.digest))
        await asyncio.sleep(1)
        second = asyncio.gather(node.read(blob.digest))
        await asyncio.sleep(0.1)
    assert await first == await second == [blob.data]
    assert node.counters.bytes["peer"] == len(blob.data)


async def test_different_blobs_are_fetched_side_by_side(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blobs = [make_blob(seed=number) for number in range(3)]
    await seed.add(*(blob.data for blob in blobs))
    assert await asyncio.gather(*(node.read(blob.digest) for blob in blobs)) == [blob.data for blob in blobs]


async def leave_early(node, blob):
    """Read the first bytes of a blob and go."""
    opened = await node.images.blob(blob.digest)
    chunks = opened.read(0, opened.size)
    await anext(chunks)
    await chunks.aclose()


async def test_a_fetch_is_given_up_a_while_after_the_last_onlooker_has_left(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        await leave_early(node, blob)
        await asyncio.sleep(LINGER - 0.1)
        assert node.flights.get(blob.digest) is not None
        await asyncio.sleep(0.2)
        assert node.flights.get(blob.digest) is None
    assert node.staged() == []
    assert node.swarms.served == frozenset()
    assert await seed.discovery.find(blob.digest) == []
    assert await node.read(blob.digest) == blob.data, "it can be fetched anew"


async def test_a_fetch_that_its_onlookers_left_still_lands_if_it_is_quick(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        await leave_early(node, blob)
        await asyncio.sleep(LINGER / 2)
    await asyncio.sleep(1)
    assert node.store.get(blob.digest) is not None


async def test_who_comes_back_in_time_finds_the_fetch_going_on(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        await leave_early(node, blob)
        await asyncio.sleep(LINGER - 1)
        await leave_early(node, blob)
        await asyncio.sleep(LINGER - 1)
        assert node.flights.get(blob.digest) is not None, "the while begins anew"
        second = asyncio.gather(node.read(blob.digest))
        await asyncio.sleep(0.1)
    assert await second == [blob.data]


async def test_one_of_two_onlookers_leaving_changes_nothing_for_the_other(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        staying = asyncio.gather(node.read(blob.digest))
        await leave_early(node, blob)
        await asyncio.sleep(LINGER + 1)
        assert node.flights.get(blob.digest) is not None
    assert await staying == [blob.data]


async def test_a_failed_fetch_is_forgotten_and_the_next_reader_begins_anew(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed), pytest.raises(TransferStalled):
        await node.read(blob.digest)
    await asyncio.sleep(1)
    assert node.flights.get(blob.digest) is None
    assert await node.read(blob.digest) == blob.data


async def test_closing_gives_everything_up_and_tells_the_readers(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, 8):
        reading = asyncio.gather(node.read(blob.digest), return_exceptions=True)
        await asyncio.sleep(0.1)
        before = len(asyncio.all_tasks())
        await node.flights.close()
        assert [type(outcome) for outcome in await reading] == [TransferStalled]
        assert len(asyncio.all_tasks()) < before
    assert node.staged() == []
    assert node.swarms.served == frozenset()


async def test_a_landed_fetch_leaves_no_task_and_no_timer_behind(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    before = asyncio.all_tasks()
    await leave_early(node, blob)
    await node.read(blob.digest)
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == before
    assert not node.flights._runs
    assert not node.flights._farewells
    assert not node.flights._onlookers
