from p2player.dht.placement import Placed


def test_record_is_kept_by_the_eight_nearest_and_here(in_cluster, provider):
    async def scenario(cluster):
        nodes = await cluster.add_many(30)
        placed = await nodes[3]._announcer._placement.place(provider(nodes[3]))
        assert len(placed.holders) == 8
        assert placed.newer is None
        assert sum(len(node._storage) for node in nodes) == 9

    in_cluster(scenario)


def test_record_goes_also_to_former_holders(in_cluster, provider):
    async def scenario(cluster):
        nodes = await cluster.add_many(30)
        placement = nodes[3]._announcer._placement
        former = next(contact for contact in nodes[3]._table.contacts())
        placed = await placement.place(provider(nodes[3]), also=[former])
        assert former.id in [contact.id for contact in placed.holders]

    in_cluster(scenario)


def test_newer_name_anywhere_among_the_holders_is_told(in_cluster, named, epoch):
    async def scenario(cluster):
        nodes = await cluster.add_many(12)
        newer = named(node=1, issued=epoch + 2)
        nodes[7]._storage.put(named(node=1, issued=epoch + 1), epoch)
        nodes[8]._storage.put(newer, epoch)
        placed = await nodes[3]._announcer._placement.place(named(issued=epoch))
        assert placed.newer in {newer, named(node=1, issued=epoch + 1)}

    in_cluster(scenario)


def test_record_outdated_here_is_not_sent_out(in_cluster, provider, epoch):
    async def scenario(cluster):
        one, _ = await cluster.add_many(2)
        one._storage.put(provider(issued=epoch + 1), epoch)
        before = cluster.network.sent.total()
        assert await one._announcer._placement.place(provider(issued=epoch)) == Placed()
        assert cluster.network.sent.total() == before

    in_cluster(scenario)
