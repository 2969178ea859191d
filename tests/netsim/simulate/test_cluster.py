import asyncio
from functools import partial

import pytest

from netsim.simulate.cluster import Cluster, host_of, number_of, run
from netsim.simulate.net import behind_nat, partition
from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")
OTHER = Digest.of(b"another layer")


async def _found_after(cluster: Cluster, nodes):
    await nodes[3].announce(LAYER, 1000, bytes(32), complete=True)
    return [provider.node_id for provider in await nodes[17].find(LAYER)]


def test_what_one_node_announces_another_finds():
    async def scenario(cluster):
        nodes = await cluster.grow(20)
        return await _found_after(cluster, nodes), nodes[3].neighbour.node_id

    found, holder = run(scenario, seed=1)

    assert [node_id.raw for node_id in found] == [holder]


def test_a_settled_network_answers_as_one_that_has_joined_does():
    async def joined(cluster):
        return await _found_and_hops(cluster, await cluster.grow(60))

    async def settled(cluster):
        return await _found_and_hops(cluster, await cluster.settled(60))

    (found, hops), (found_too, hops_too) = run(joined, seed=1), run(settled, seed=1)

    assert found == found_too == [1] * 20
    assert hops == pytest.approx(hops_too, abs=0.5)


async def _found_and_hops(cluster, nodes):
    looked_up = []
    for number, holder in enumerate(nodes[:20]):
        digest = Digest.of(b"%d" % number)
        await holder.announce(digest, 1000, bytes(32), complete=True)
        looked_up.append(await nodes[-1 - number].look_up(digest))
    return [len(found.providers) for found in looked_up], sum(found.hops for found in looked_up) / len(looked_up)


def test_a_killed_node_is_not_found_in_the_network_any_more():
    async def scenario(cluster):
        nodes = await cluster.grow(10)
        cluster.kill([3])
        answered = nodes[3].answered
        await nodes[5].find(LAYER)
        return nodes[3].answered - answered, 3 in cluster.nodes

    assert run(scenario, seed=1) == (0, False)


def test_a_killed_node_comes_back_as_who_it_was():
    async def scenario(cluster):
        nodes = await cluster.grow(10)
        cluster.kill([3])
        again = await cluster.start(3, through=nodes[5])
        return nodes[3].neighbour, again.neighbour, again.known

    before, after, known = run(scenario, seed=1)

    assert before == after
    assert known


def test_the_number_of_a_node_is_told_by_its_host():
    assert number_of(host_of(70_000)) == 70_000


def test_what_was_announced_before_is_kept_where_announcing_now_would_put_it():
    async def kept(cluster, *, before):
        nodes = await cluster.settled(60)
        if before:
            await cluster.settle(nodes[3], [LAYER], 1000)
        else:
            await nodes[3].announce(LAYER, 1000, bytes(32), complete=True)
        return [node.kept for node in nodes], len(await nodes[17].find(LAYER))

    assert run(partial(kept, before=True), seed=1) == run(partial(kept, before=False), seed=1)


def test_what_was_announced_before_is_renewed():
    async def scenario(cluster):
        nodes = await cluster.settled(6)
        await cluster.settle(nodes[3], [LAYER], 1000)
        await asyncio.sleep(4000)
        return len(await nodes[5].find(LAYER))

    assert run(scenario, seed=1) == 1


def test_what_is_found_in_a_divided_network_is_found_in_all_of_it_when_it_is_whole_again():
    async def scenario(cluster):
        nodes = await cluster.grow(20)
        with cluster.network.rule(partition([node.host for node in nodes[:10]])):
            await asyncio.sleep(60)
            await nodes[3].announce(LAYER, 1000, bytes(32), complete=True)
            within, across = len(await nodes[4].find(LAYER)), len(await nodes[17].find(LAYER))
        await asyncio.sleep(180)
        return within, across, len(await nodes[17].find(LAYER))

    assert run(scenario, seed=1) == (1, 0, 1)


def test_behind_a_nat_one_finds_and_is_found_if_those_it_joins_through_are_not():
    async def scenario(cluster):
        behind = range(20, 30)
        with cluster.network.rule(behind_nat(map(host_of, behind))):
            for number in range(30):
                await cluster.start(number, through=cluster.nodes[number % min(number, 5)] if number else None)
            await asyncio.sleep(120)
            await cluster.nodes[7].announce(LAYER, 1000, bytes(32), complete=True)
            await cluster.nodes[23].announce(OTHER, 1000, bytes(32), complete=True)
            return [len(await cluster.nodes[who].find(digest)) for who in (9, 25) for digest in (LAYER, OTHER)]

    assert run(scenario, seed=1) == [1, 1, 1, 1]


def test_nobody_joins_through_a_node_behind_a_nat():
    async def scenario(cluster):
        with cluster.network.rule(behind_nat([host_of(0)])):
            first = await cluster.start(0)
            return (await cluster.start(1, through=first)).known

    assert run(scenario, seed=1) == 0


def test_lookups_go_on_while_nodes_are_replaced_one_after_another():
    async def scenario(cluster):
        nodes = await cluster.grow(20)
        await nodes[0].announce(LAYER, 1000, bytes(32), complete=True)
        found = 0
        for gone, comes in zip(range(1, 16), range(20, 35), strict=True):
            await asyncio.sleep(20)
            cluster.kill([gone])
            node = await cluster.start(comes, through=nodes[0])
            found += len(await node.find(LAYER))
        return found

    assert run(scenario, seed=1) == 15
