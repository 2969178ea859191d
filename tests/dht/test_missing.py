import asyncio
from contextlib import contextmanager

import pytest

from p2player.dht.missing import KEPT, PAUSES
from p2player.dht.routing import Contact
from p2player.dht.wire import Address, Ping


async def without_doors(cluster, count):
    """Return nodes that know each other and have nobody to join."""
    nodes = await cluster.add_many(count)
    await asyncio.sleep(1)
    for node in nodes:
        node._membership._doors.clear()
        assert len(node.contacts()) == count - 1
    return nodes


@contextmanager
def cut_off(cluster, lost):
    with cluster.network.dropping(lambda _data, source, target: lost.host in {source.host, target.host}):
        yield


async def notice_silence(nodes, lost):
    """Have each of nodes ask lost in vain, and lost each of them."""
    asks = [node._crawler.nearest(lost._table.node.id) for node in nodes]
    await asyncio.gather(*asks, lost._crawler.nearest(lost._table.node.id))


async def seconds_until(condition):
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():  # noqa: ASYNC110  (nothing tells of a change in a table; the time is virtual)
        await asyncio.sleep(0.25)
    return loop.time() - began


def knows(one, other):
    return other._identity.node_id in [contact[0] for contact in one.contacts()]


@pytest.mark.parametrize("outage", [3, 20, 100, 250])
def test_outage_is_over_on_both_sides_by_the_time_it_has_lasted_twice_as_long(in_cluster, outage):
    async def scenario(cluster):
        *others, lost = await without_doors(cluster, 5)
        with cut_off(cluster, lost):
            await notice_silence(others, lost)
            await asyncio.sleep(outage)
            assert lost.contacts() == []
            assert not any(knows(node, lost) for node in others)
        took = await seconds_until(lambda: all(knows(node, lost) and knows(lost, node) for node in others))
        assert took < outage + 4

    in_cluster(scenario)


def test_node_cut_off_from_all_gives_nobody_up(in_cluster):
    async def scenario(cluster):
        *others, lost = await without_doors(cluster, 5)
        with cut_off(cluster, lost):
            await notice_silence(others, lost)
            await asyncio.sleep(3 * 3600)
            assert not any(len(node._missing) for node in others)
        assert await seconds_until(lambda: all(knows(lost, node) for node in others)) < PAUSES[-1] + 10
        await asyncio.sleep(1)
        assert all(knows(node, lost) for node in others)

    in_cluster(scenario)


def test_node_that_has_gone_costs_ten_datagrams_at_most_and_is_forgotten(in_cluster):
    async def scenario(cluster):
        *others, gone = await without_doors(cluster, 4)
        there = Address(gone.host, 7400)
        cluster.kill(gone)
        await gone._tasks.close()
        sent = []
        with cluster.network.dropping(lambda _data, source, target: target == there and sent.append(source)):
            for node in others:
                node._table.missed(gone._identity.node_id.raw, there)
            await asyncio.sleep(3600)
        for node in others:
            assert 0 < sent.count(Address(node.host, 7400)) <= 10
            assert node._table.get(gone._identity.node_id.raw) is None
            assert len(node._missing) == 0

    in_cluster(scenario)


def test_silent_node_is_knocked_at_although_it_has_left_the_table(in_cluster):
    async def scenario(cluster):
        one, two, _ = await without_doors(cluster, 3)
        with cut_off(cluster, two):
            await notice_silence([one], two)
            one._table.missed(two._identity.node_id.raw, Address(two.host, 7400))
            assert one._table.get(two._identity.node_id.raw) is None
        assert await seconds_until(lambda: knows(one, two)) < 4

    in_cluster(scenario)


def test_node_that_speaks_again_is_known_at_once(in_cluster):
    async def scenario(cluster):
        one, two, _ = await without_doors(cluster, 3)
        with cut_off(cluster, two):
            await notice_silence([one], two)
            await asyncio.sleep(200)
            assert not knows(one, two)
        await two._protocol.ask(Address(one.host, 7400), Ping())
        assert await seconds_until(lambda: knows(one, two)) < 1
        await asyncio.sleep(300)
        assert len(one._missing) == 0

    in_cluster(scenario)


def test_other_node_at_the_address_of_one_that_has_gone_takes_its_place(in_cluster):
    async def scenario(cluster):
        one, two, gone = await without_doors(cluster, 3)
        cluster.kill(gone)
        await gone._tasks.close()
        await notice_silence([one, two], gone)
        cluster._count -= 1
        successor = await cluster.add(join=False)
        assert successor.host == gone.host
        assert await seconds_until(lambda: knows(one, successor) and knows(two, successor)) < 4
        assert one._table.get(gone._identity.node_id.raw) is None
        assert len(one._missing) == len(two._missing) == 0

    in_cluster(scenario)


def test_node_back_without_its_state_and_with_nobody_to_join_is_found_and_finds_all(in_cluster):
    async def scenario(cluster):
        nodes = await without_doors(cluster, 3)
        lost = nodes[0]
        cluster.kill(lost)
        await lost._tasks.close()
        cluster._count = 0
        await asyncio.sleep(10)
        back = await cluster.add(join=False, identity=lost._identity)
        await seconds_until(lambda: len(back.contacts()) == 2)
        return asyncio.get_running_loop().time()

    assert in_cluster(scenario) < 40


def test_missing_nodes_are_bounded_in_number(in_cluster):
    async def scenario(cluster):
        one, _ = await without_doors(cluster, 2)
        contacts = [Contact(number.to_bytes(20, "big"), Address("10.9.9.9", 1 + number)) for number in range(2 * KEPT)]
        for contact in contacts:
            one._missing.add(contact)
        assert len(one._missing) == KEPT
        await asyncio.sleep(sum(PAUSES) + 60)
        assert len(one._missing) == 0

    in_cluster(scenario)
