"""Members of the cluster that lie: what is there is still found, and nearly as fast as without them."""

import asyncio
from random import Random
from statistics import mean

import pytest

from p2player.oci.digest import Digest
from tests.dht import liars

AS_FAST = 1.5
_DIGESTS = 30
_LOOKUPS = 100


async def _lookups(cluster, size, liar_count, *, lies=True, lie=None):
    """Return which share of lookups found the provider there is, and their mean time in seconds."""
    rng = Random(cluster.seed)
    lying = rng.sample(range(1, size), liar_count)
    for number in range(size):
        node = await cluster.add(join=False)
        if lies and number in lying:
            liars.Liar(cluster.network, node, lie or rng.choice(liars.LIES))
        if number:
            await node.join([(cluster.nodes[0].host, 7400)])
    honest = [node for number, node in enumerate(cluster.nodes) if number not in lying]
    there = {}
    for number in range(_DIGESTS):
        digest = Digest.of(b"%d" % number)
        gone, there[digest] = rng.sample(honest, 2)
        await gone.announce(digest, 1, b"", complete=True)
        await there[digest].announce(digest, 1, b"", complete=False)
        await there[digest].announce(digest, 1, b"", complete=True)
        await gone.withdraw(digest)
    found, took = 0, []
    for _ in range(_LOOKUPS):
        digest, owner = rng.choice(list(there.items()))
        finder = rng.choice([node for node in honest if node is not owner])
        began = asyncio.get_running_loop().time()
        providers = await finder.find(digest)
        took.append(asyncio.get_running_loop().time() - began)
        found += owner._identity.node_id in [provider.node_id for provider in providers]
    return found / _LOOKUPS, mean(took)


@pytest.fixture(scope="module")
def times():
    """The mean times of honest clusters, by size and seed, measured once."""
    return {}


def check(in_cluster, times, size, liar_count, seed, lie=None):
    if (size, seed) not in times:
        share, times[size, seed] = in_cluster(lambda c: _lookups(c, size, liar_count, lies=False), seed)
        assert share == 1.0
    share, took = in_cluster(lambda c: _lookups(c, size, liar_count, lie=lie), seed)
    shown = f"seed {seed}: {share:.1%} found in {took * 1e3:.1f} ms, {times[size, seed] * 1e3:.1f} ms without liars"
    assert share >= 0.99, shown
    assert took <= AS_FAST * times[size, seed], shown


@pytest.mark.parametrize("lie", liars.LIES, ids=lambda lie: lie.__name__)
def test_what_is_there_is_found_in_time_though_three_of_sixteen_lie(in_cluster, times, lie):
    check(in_cluster, times, 16, 3, seed=1, lie=lie)


def test_what_is_there_is_found_in_time_though_twenty_of_a_hundred_lie_each_in_its_way(in_cluster, times):
    check(in_cluster, times, 100, 20, seed=1)


def test_clocks_of_liars_move_nobodys(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(16)
        for liar in nodes[1:4]:
            liar._protocol._clock._own_ms = lambda: cluster.now_ms() - 3_600_000
            liar._protocol._clock.offset_ms = 0
        await asyncio.sleep(600)
        for node in (nodes[0], *nodes[4:], await cluster.add()):
            assert node.clock.offset_ms == 0

    in_cluster(scenario)


def test_liar_makes_no_honest_node_silent_by_naming_it_at_dead_addresses(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(12)
        ids = [node._table.node.id for node in nodes]

        def misplaces_others(_liar, request, _asker, seen):
            if isinstance(request, liars.Ping | liars.Store):
                return None
            dead = (liars.Address(f"10.201.0.{number}", 7400) for number in range(8))
            return liars.Reply(seen, tuple(map(liars.Neighbour, ids[3:11], dead)))

        liars.Liar(cluster.network, nodes[2], misplaces_others)
        for number in range(20):
            await nodes[0].find(Digest.of(b"%d" % number))
        silent = [contact for contact in nodes[0]._table.contacts() if contact.silent]
        assert silent == []
        assert len(nodes[0].contacts()) == 11

    in_cluster(scenario)
