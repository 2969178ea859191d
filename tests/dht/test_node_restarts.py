"""What a node remembers over its end, and what of that it still takes for right."""

import asyncio

from p2player.dht.state import State
from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")


def test_cluster_restarted_node_by_node_forgets_nothing(in_cluster, tmp_path):
    async def scenario(cluster):
        nodes = [await cluster.add(state_path=tmp_path / str(number)) for number in range(12)]
        holder = nodes[0]
        await holder.announce(LAYER, 1, b"", complete=True)
        for number in range(1, 12):
            await cluster.nodes[1].close()
            del cluster.nodes[1]
            await cluster.add(join=False, state_path=tmp_path / str(number))
            await asyncio.sleep(2)
        for node in cluster.nodes[1:]:
            assert len(await node.find(LAYER)) == 1, "found through neighbours remembered, no address given"

    in_cluster(scenario)


def test_a_node_that_is_killed_soon_after_its_first_meeting_finds_back_with_no_address_given(in_cluster, tmp_path):
    async def scenario(cluster):
        await cluster.add(state_path=tmp_path / "first")
        (other,) = await cluster.add_many(1)
        cluster.kill(cluster.nodes[0])
        again = await cluster.add(join=False, state_path=tmp_path / "first")
        await asyncio.sleep(2)
        assert [contact[0] for contact in again.contacts()] == [other._identity.node_id]

    in_cluster(scenario)


def test_a_node_that_is_back_and_has_met_one_of_many_still_remembers_the_others(in_cluster, tmp_path):
    async def scenario(cluster):
        await cluster.add(state_path=tmp_path / "first")
        await cluster.add_many(7)
        await cluster.nodes[0].close()
        known = State.load(tmp_path / "first")
        for node in cluster.nodes[2:]:
            cluster.kill(node)
        await cluster.add(join=False, state_path=tmp_path / "first")
        await asyncio.sleep(2)
        assert State.load(tmp_path / "first") == known

    in_cluster(scenario)


def test_node_stopped_before_it_has_taken_back_what_it_kept_still_remembers_that(in_cluster, tmp_path, provider):
    async def scenario(cluster):
        path = tmp_path / "state"
        State((), (provider().pack(),)).save(path)
        node = await cluster.add(state_path=path)
        await node.close()
        assert State.load(path).records == (provider().pack(),)

    in_cluster(scenario)


def test_kept_records_are_checked_like_those_that_come_in_when_a_node_starts_again(
    in_cluster, tmp_path, provider, epoch
):
    async def scenario(cluster):
        hour = 3_600_000
        records = (
            provider(node=1).pack(),
            provider(node=2, issued=epoch - 2 * hour).pack(),
            provider(node=3, issued=epoch + hour).pack(),
            b"no record",
        )
        State((), records).save(tmp_path / "state")
        node = await cluster.add(state_path=tmp_path / "state")
        await asyncio.sleep(5)
        assert list(node._storage) == [records[0]]
        dropped = {name: count for name, count in node.counters.items() if name.startswith("dropped")}
        assert dropped == {
            "dropped_record_expired": 1,
            "dropped_record_from_the_future": 1,
            "dropped_bad_record": 1,
        }

    in_cluster(scenario)
