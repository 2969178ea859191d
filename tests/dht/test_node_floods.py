"""Datagrams that are not what they should be, that come again, or too many of them."""

import asyncio
from random import Random

from p2player.dht.wire import Address, FindProviders
from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")


def test_garbage_is_counted_and_leaves_no_trace(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        rng = Random(1)
        for _ in range(500):
            one._protocol.datagram_received(rng.randbytes(rng.randrange(1500)), ("10.9.9.9", 1))
        counters = one.counters
        assert sum(count for name, count in counters.items() if name.startswith("dropped")) == 500
        assert len(one.contacts()) == 1
        assert len(one._storage) == 0
        await two.announce(LAYER, 1, b"", complete=True)
        assert len(await one.find(LAYER)) == 1

    in_cluster(scenario)


def test_recorded_datagrams_sent_again_by_an_outsider_change_nothing(in_cluster):
    async def scenario(cluster):
        recorded = []
        with cluster.network.dropping(lambda *datagram: recorded.append(datagram)):
            nodes = await cluster.add_many(8)
            await nodes[3].announce(LAYER, 1, b"", complete=True)
            await nodes[3].withdraw(LAYER)
        await asyncio.sleep(2)
        outsider = Address("10.9.9.9", 7400)
        contacts = {node.host: sorted(node.contacts()) for node in nodes}
        answers = []
        for wait in (0, 10, 100, 3600):
            await asyncio.sleep(wait)
            with cluster.network.dropping(lambda _data, _source, target: target == outsider and answers.append(1)):
                for data, _, target in recorded:
                    cluster.network.send(data, outsider, target)
                await asyncio.sleep(3)
            assert len(answers) < 8 * 100
        assert {node.host: sorted(node.contacts()) for node in nodes} == contacts
        for node in nodes:
            assert node.counters["dropped_replayed"] > 0
            assert await node.find(LAYER) == []
            assert node.clock.offset_ms == 0

    in_cluster(scenario)


def test_thousands_of_layers_announced_at_start_are_no_flood(in_cluster):
    async def scenario(cluster):
        one, two, _ = await cluster.add_many(3)
        digests = [Digest.of(b"%d" % number) for number in range(2000)]
        await asyncio.gather(*(one.announce(digest, 1, b"", complete=True) for digest in digests))
        assert two.counters.get("dropped_flood", 0) == 0
        assert len(two._storage) == 2000
        await asyncio.gather(*(two.find(digest) for digest in digests))
        assert one.counters.get("dropped_flood", 0) == 0

    in_cluster(scenario)


def test_flooding_node_is_held_to_its_rate_and_harms_nobody(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(4)
        await nodes[1].announce(LAYER, 1, b"", complete=True)
        flooder, victim = nodes[3], nodes[0]
        here = Address(victim.host, 7400)
        began = victim.counters["datagrams_out"]
        for _ in range(40):
            for _ in range(500):
                flooder._protocol.ask(here, FindProviders(bytes(20), 0))
            await asyncio.sleep(0.05)
        assert victim.counters["dropped_flood"] > 5000
        assert victim.counters["datagrams_out"] - began < 8192 + 5000
        assert len(await nodes[2].find(LAYER)) == 1
        assert len(await victim.find(LAYER)) == 1

    in_cluster(scenario)
