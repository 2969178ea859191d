"""One suite for the DHT and its in-memory twin: whatever holds here is what the rest of a node may rely on."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from p2player.dht.belief import everybody
from p2player.dht.discovery import PROVIDER_TTL_MS, MemoryCluster, MemoryDiscovery
from p2player.dht.records import NodeAddress
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity

LAYER = Digest.of(b"layer")
OTHER = Digest.of(b"other layer")
SCOPE = "docker.io/library/nginx"


@dataclass
class Trio:
    """Three nodes that know each other, over either kind of discovery."""

    one: Any
    two: Any
    three: Any


@pytest.fixture(params=["memory", "dht"])
def among_three(request, in_cluster):
    def run(scenario, believes=(everybody, everybody, everybody)):
        async def in_memory(cluster):
            shared = MemoryCluster()
            nodes = [
                MemoryDiscovery(
                    shared,
                    Identity.from_seed(bytes([n] * 32)),
                    NodeAddress(f"10.0.0.{n}", 7400, 7401),
                    cluster.now_ms,
                    believes[n - 1],
                )
                for n in (1, 2, 3)
            ]
            await scenario(Trio(*nodes))

        async def over_dht(cluster):
            await scenario(Trio(*[await cluster.add(believes=belief) for belief in believes]))

        in_cluster(in_memory if request.param == "memory" else over_dht)

    return run


def test_nobody_is_found_for_what_nobody_announced(among_three):
    async def scenario(nodes):
        assert await nodes.one.find(LAYER) == []

    among_three(scenario)


def test_announced_digest_is_found_by_others_with_its_facts(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1234, b"r" * 32, complete=True)
        for finder in (nodes.two, nodes.three):
            (found,) = await finder.find(LAYER)
            assert (found.digest, found.size, found.root, found.complete) == (LAYER, 1234, b"r" * 32, True)
            assert found.address.host == "10.0.0.1"
            assert (found.address.cluster_port, found.address.swarm_port) == (7400, 7401)
        assert await nodes.two.find(OTHER) == []

    among_three(scenario)


def test_node_that_fetches_upstream_is_found_before_it_knows_size_or_root(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 0, b"", complete=False)
        (found,) = await nodes.two.find(LAYER)
        assert (found.size, found.root, found.complete) == (0, b"", False)

    among_three(scenario)


def test_whether_a_digest_is_private_is_told_with_it_and_can_change(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=True, private=True)
        assert [record.private for record in await nodes.two.find(LAYER)] == [True]
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        assert [record.private for record in await nodes.two.find(LAYER)] == [False]

    among_three(scenario)


def test_node_does_not_find_itself(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        assert await nodes.one.find(LAYER) == []

    among_three(scenario)


def test_each_node_is_found_once_with_its_newest_word(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=False)
        await nodes.two.announce(LAYER, 1, b"", complete=False)
        await nodes.one.announce(LAYER, 1, b"r" * 32, complete=True)
        found = await nodes.three.find(LAYER)
        assert sorted((record.address.host, record.complete) for record in found) == [
            ("10.0.0.1", True),
            ("10.0.0.2", False),
        ]

    among_three(scenario)


def test_no_more_are_found_than_wanted(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        await nodes.two.announce(LAYER, 1, b"", complete=True)
        assert len(await nodes.three.find(LAYER, want=1)) == 1

    among_three(scenario)


@pytest.mark.parametrize("is_first_whole", [True, False])
def test_who_has_it_whole_is_found_before_who_fetches_it_whoever_said_so_first(among_three, is_first_whole):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"r" * 32, complete=is_first_whole)
        await nodes.two.announce(LAYER, 1, b"r" * 32, complete=not is_first_whole)
        assert [record.complete for record in await nodes.three.find(LAYER)] == [True, False]
        (record,) = await nodes.three.find(LAYER, want=1)
        assert record.address.host == ("10.0.0.1" if is_first_whole else "10.0.0.2")

    among_three(scenario)


def test_withdrawn_digest_is_gone_and_can_come_back(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        await nodes.one.withdraw(LAYER)
        assert await nodes.two.find(LAYER) == []
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        assert len(await nodes.two.find(LAYER)) == 1

    among_three(scenario)


def test_withdrawing_what_was_never_announced_does_nothing(among_three):
    async def scenario(nodes):
        await nodes.two.announce(LAYER, 1, b"", complete=True)
        await nodes.one.withdraw(LAYER)
        assert len(await nodes.three.find(LAYER)) == 1

    among_three(scenario)


def test_announced_record_lives_at_least_half_its_time(among_three):
    async def scenario(nodes):
        await nodes.one.announce(LAYER, 1, b"", complete=True)
        await asyncio.sleep(PROVIDER_TTL_MS / 2000)
        assert len(await nodes.two.find(LAYER)) == 1

    among_three(scenario)


def test_published_name_resolves_everywhere(among_three, named):
    async def scenario(nodes):
        record = named()
        assert await nodes.one.publish(record) is None
        for node in (nodes.one, nodes.two, nodes.three):
            assert await node.resolve(SCOPE, "latest") == record
        assert await nodes.two.resolve(SCOPE, "stable") is None
        assert await nodes.two.resolve("docker.io/library/redis", "latest") is None

    among_three(scenario)


def test_newest_name_wins_whoever_published_it_and_in_whatever_order(among_three, named, epoch):
    async def scenario(nodes):
        older, newer = named(node=1, issued=epoch), named(node=2, issued=epoch + 1)
        await nodes.one.publish(newer)
        assert await nodes.two.publish(older) == newer
        assert await nodes.three.resolve(SCOPE, "latest") == newer

    among_three(scenario)


def test_publishing_the_same_record_again_is_not_outdated_by_itself(among_three, named):
    async def scenario(nodes):
        await nodes.one.publish(named())
        assert await nodes.one.publish(named()) is None
        assert await nodes.two.publish(named()) is None

    among_three(scenario)


def test_withdrawn_name_neither_resolves_nor_is_listed_but_outdates_older_ones(among_three, named, epoch):
    async def scenario(nodes):
        await nodes.one.publish(named(issued=epoch))
        gone = named(issued=epoch + 1, withdrawn=True)
        assert await nodes.one.publish(gone) is None
        assert await nodes.two.resolve(SCOPE, "latest") is None
        assert await nodes.two.listing(SCOPE) == []
        assert await nodes.three.publish(named(issued=epoch)) == gone

    among_three(scenario)


def test_listing_has_every_name_of_the_scope_once_and_sorted(among_three, named, epoch):
    async def scenario(nodes):
        names = [f"v{number}" for number in range(30)]
        for number, name in enumerate(names):
            await (nodes.one, nodes.two)[number % 2].publish(named(name=name))
        await nodes.two.publish(named(name="v3", issued=epoch + 1))
        await nodes.two.publish(named(name="v3", scope="docker.io/library/other"))
        listed = await nodes.three.listing(SCOPE)
        assert [record.name for record in listed] == sorted(names)
        assert {record.issued for record in listed if record.name == "v3"} == {epoch + 1}
        assert await nodes.three.listing("docker.io/library/none") == []

    among_three(scenario)


def test_a_name_by_somebody_who_is_not_believed_is_as_if_absent_to_those_who_do_not_believe_it(
    among_three, named, epoch
):
    told, lie = named(node=2, issued=epoch), named(node=1, issued=epoch + 1)

    def honest(record):
        return record.node_id == told.node_id

    async def scenario(nodes):
        assert await nodes.two.publish(told) is None
        assert await nodes.one.publish(lie) is None
        assert await nodes.one.publish(named(node=1, name="invented")) is None
        for node in (nodes.two, nodes.three):
            assert await node.resolve(SCOPE, "latest") == told
            assert await node.resolve(SCOPE, "invented") is None
            assert await node.listing(SCOPE) == [told]
            assert await node.publish(told) is None
        assert await nodes.one.resolve(SCOPE, "latest") == lie
        assert [record.name for record in await nodes.one.listing(SCOPE)] == ["invented", "latest"]

    among_three(scenario, believes=(everybody, honest, honest))
