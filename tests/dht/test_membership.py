import asyncio
import socket

from p2player.dht.membership import REFRESH_SECONDS
from p2player.dht.wire import Address
from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")


def test_newcomer_knows_many_nodes_and_is_known(in_cluster):
    async def scenario(cluster):
        await cluster.add_many(40)
        newcomer = await cluster.add()
        assert len(newcomer.contacts()) > 20
        knowing = sum(newcomer.host in [host for _, host, _ in node.contacts()] for node in cluster.nodes)
        assert knowing > 12

    in_cluster(scenario)


def test_join_says_no_when_nobody_answers_and_goes_on_trying(in_cluster):
    async def scenario(cluster):
        one = await cluster.add()
        assert not await one.join([("10.0.0.2", 7400)])
        two = await cluster.add(join=False)
        assert two.contacts() == []
        await asyncio.sleep(31)
        assert len(one.contacts()) == len(two.contacts()) == 1

    in_cluster(scenario)


def test_join_needs_only_one_of_the_addresses_and_does_not_wait_for_dead_ones(in_cluster):
    async def scenario(cluster):
        await cluster.add_many(2)
        newcomer = await cluster.add(join=False)
        began = asyncio.get_running_loop().time()
        assert await newcomer.join([("10.1.1.1", 7400), ("10.0.0.1", 7400), ("10.1.1.2", 7400)])
        assert asyncio.get_running_loop().time() - began < 0.1

    in_cluster(scenario)


def test_name_that_does_not_resolve_is_nobody(in_cluster, monkeypatch):
    async def scenario(cluster):
        async def no_such_name(*_args, **_options):
            raise socket.gaierror

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_name)
        node = await cluster.add()
        assert not await node.join([("node.invalid", 7400)])

    in_cluster(scenario)


def test_node_cut_off_from_all_comes_back_by_itself(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(6)
        lost = nodes[5]
        with cluster.network.dropping(lambda _data, source, target: lost.host in {source.host, target.host}):
            await asyncio.sleep(30 * REFRESH_SECONDS)
            assert lost.contacts() == []
        await asyncio.sleep(2 * REFRESH_SECONDS)
        assert len(lost.contacts()) == 5
        await nodes[0].announce(LAYER, 1, b"", complete=True)
        assert len(await lost.find(LAYER)) == 1

    in_cluster(scenario)


def test_two_halves_that_lost_each_other_grow_together_again(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(10)
        for node in nodes[1:]:
            node._membership.remember([("10.0.0.1", 7400)])
        left = {node.host for node in nodes[:5]}
        with cluster.network.dropping(lambda _data, source, target: (source.host in left) != (target.host in left)):
            await asyncio.sleep(60 * REFRESH_SECONDS)
            assert {host for _, host, _ in nodes[0].contacts()} < left
            await nodes[1].announce(LAYER, 1, b"", complete=True)
            assert await nodes[7].find(LAYER) == []
        await asyncio.sleep(3 * REFRESH_SECONDS)
        assert len(await nodes[7].find(LAYER)) == 1

    in_cluster(scenario)


def test_dead_nodes_leave_the_table_in_time(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(20)
        dead = {node.host for node in nodes[:4]}
        for node in nodes[:4]:
            cluster.kill(node)
            await node._tasks.close()
        await asyncio.sleep(30 * REFRESH_SECONDS)
        known = {contact.ip for node in cluster.nodes for contact in node._table.contacts()}
        assert not known & dead

    in_cluster(scenario)


def test_refreshing_costs_little(in_cluster):
    async def scenario(cluster):
        await cluster.add_many(20)
        before = cluster.network.sent.total()
        await asyncio.sleep(20 * REFRESH_SECONDS)
        per_node_and_minute = (cluster.network.sent.total() - before) / 20 / 20
        assert per_node_and_minute < 60

    in_cluster(scenario)


def test_address_bound_is_told_as_the_nodes_own(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        assert one.contacts()[0][1:] == Address("10.0.0.2", 7400)
        assert one.contacts()[0][0] == two._identity.node_id

    in_cluster(scenario)
