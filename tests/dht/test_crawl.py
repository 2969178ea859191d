from p2player.dht.records import key_of_digest
from p2player.dht.wire import Address
from p2player.oci.digest import Digest


def test_nearest_are_those_of_the_whole_cluster(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(60)
        exact = 0
        for number in range(20):
            key = key_of_digest(Digest.of(b"%d" % number))
            goal = int.from_bytes(key, "big")
            asker = nodes[number]
            others = [node._table.node.long_id for node in nodes if node is not asker]
            expected = sorted(others, key=lambda node_id, goal=goal: node_id ^ goal)[:8]
            exact += [contact.long_id for contact in await asker._crawler.nearest(key)] == expected
        assert exact >= 19

    in_cluster(scenario)


def test_nobody_known_is_nobody_near(in_cluster):
    async def scenario(cluster):
        node = await cluster.add()
        assert await node._crawler.nearest(bytes(20)) == []

    in_cluster(scenario)


def test_only_silent_nodes_known_are_still_asked(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        one._table.missed(two._table.node.id, Address(two.host, 7400))
        assert [contact.id for contact in await one._crawler.nearest(bytes(20))] == [two._table.node.id]

    in_cluster(scenario)


def test_lookup_under_way_ends_when_the_node_closes(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        cluster.kill(two)
        search = one._tasks.spawn(one._crawler.nearest(bytes(20)), "search")
        await two._tasks.close()
        one._protocol.close()
        assert await search == []

    in_cluster(scenario)
