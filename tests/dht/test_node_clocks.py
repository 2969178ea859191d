"""Nodes whose clocks are wrong."""

import asyncio

import pytest

from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")
SCOPE = "docker.io/library/nginx"
HOUR_MS = 3_600_000


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS, 90_000, -90_000])
def test_node_whose_clock_is_wrong_joins_announces_and_finds(in_cluster, named, epoch, ahead_ms):
    async def scenario(cluster):
        nodes = await cluster.add_many(8)
        await nodes[2].announce(LAYER, 1, b"", complete=True)
        wrong = await cluster.add(ahead_ms=ahead_ms)
        assert abs(wrong.clock.offset_ms + ahead_ms) < 100
        assert wrong.counters["clock_corrections"] >= 1
        assert len(wrong.contacts()) == 8
        assert len(await wrong.find(LAYER)) == 1
        other = Digest.of(b"other")
        await wrong.announce(other, 1, b"", complete=True)
        await wrong.publish(named(name="mine", issued=wrong.clock.now_ms()))
        for node in nodes:
            (found,) = await node.find(other)
            assert abs(found.issued - cluster.now_ms()) < 1000
            assert await node.resolve(SCOPE, "mine") is not None
            assert node.clock.offset_ms == 0
        await wrong.withdraw(other)
        assert await nodes[5].find(other) == []

    in_cluster(scenario)


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
def test_two_nodes_with_different_clocks_agree_whichever_comes_first(in_cluster, ahead_ms):
    async def scenario(cluster):
        one = await cluster.add(ahead_ms=ahead_ms)
        two = await cluster.add()
        for node, digest in ((one, LAYER), (two, Digest.of(b"other"))):
            await node.announce(digest, 1, b"", complete=True)
        assert abs(one.clock.now_ms() - two.clock.now_ms()) < 100
        assert len(await two.find(LAYER)) == len(await one.find(Digest.of(b"other"))) == 1
        three = await cluster.add()
        assert len(await three.find(LAYER)) == 1
        await cluster.add_many(3)
        await asyncio.sleep(300)
        assert {abs(node.clock.now_ms() - cluster.now_ms()) < 100 for node in cluster.nodes} == {True}

    in_cluster(scenario)


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
def test_what_was_announced_by_a_wrong_clock_is_dated_anew_when_the_cluster_is_found(in_cluster, named, ahead_ms):
    async def scenario(cluster):
        wrong = await cluster.add(ahead_ms=ahead_ms)
        await wrong.announce(LAYER, 1, b"", complete=True)
        await wrong.publish(named(wrong, issued=wrong.clock.now_ms()))
        nodes = [await cluster.add(join=number > 0) for number in range(6)]
        cluster.nodes.remove(wrong)
        await wrong.join([(nodes[0].host, 7400)])
        cluster.nodes.append(wrong)
        await asyncio.sleep(5)
        for node in nodes:
            (found,) = await node.find(LAYER)
            assert 0 <= cluster.now_ms() - found.issued < 10_000
            assert 0 <= cluster.now_ms() - (await node.resolve(SCOPE, "latest")).issued < 10_000

    in_cluster(scenario)
