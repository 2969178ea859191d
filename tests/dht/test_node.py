import asyncio
from random import Random

import pytest

from p2player.dht.node import DhtNode
from p2player.dht.records import key_of_digest
from p2player.dht.state import State
from p2player.dht.wire import Address, FindProviders
from p2player.errors import AddressUnusable
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret

LAYER = Digest.of(b"layer")
SCOPE = "docker.io/library/nginx"


async def started(secret=None, **options):
    node = DhtNode(Identity.generate(), Keyring.of(secret or ClusterSecret(b"sixteen bytes or more")), **options)
    return node, await node.start("127.0.0.1", 0, swarm_port=7401)


async def test_three_nodes_on_loopback_sockets_find_each_other():
    nodes = [await started() for _ in range(3)]
    try:
        for node, _ in nodes[1:]:
            assert await node.join([("localhost", nodes[0][1])])
        (one, port), (two, _), (three, _) = nodes
        await one.announce(LAYER, 5, b"", complete=True)
        (found,) = await three.find(LAYER)
        assert (found.address.host, found.address.cluster_port) == ("127.0.0.1", port)
        assert sorted(port for _, _, port in two.contacts()) == sorted([nodes[0][1], nodes[2][1]])
        assert not [name for name in one.counters if name.startswith("dropped")]
    finally:
        for node, _ in nodes:
            await node.close()


async def test_node_of_another_cluster_is_neither_let_in_nor_answered():
    (one, port), (stranger, _) = await started(), await started(ClusterSecret(b"another secret, also long"))
    try:
        assert not await stranger.join([("127.0.0.1", port)])
        assert one.contacts() == stranger.contacts() == []
        assert one.counters["dropped_not_sealed_with_our_key"] > 0
    finally:
        await one.close()
        await stranger.close()


async def test_port_in_use_is_told_with_its_address():
    node, port = await started()
    second = DhtNode(Identity.generate(), Keyring.of(ClusterSecret()))
    try:
        with pytest.raises(AddressUnusable, match=f"127.0.0.1:{port}"):
            await second.start("127.0.0.1", port, swarm_port=1)
    finally:
        await node.close()


def test_node_on_all_addresses_learns_its_own_from_the_first_that_joins(in_cluster):
    async def scenario(cluster):
        one = await cluster.add()
        one._vantage.bound_to("0.0.0.0", lambda _host: "127.0.0.1")
        await one.announce(LAYER, 5, b"", complete=True)
        two = await cluster.add()
        await asyncio.sleep(0.1)
        (found,) = await two.find(LAYER)
        assert found.address.host == one.host

    in_cluster(scenario)


def test_single_node_keeps_and_finds_everything_by_itself(in_cluster, named):
    async def scenario(cluster):
        node = await cluster.add()
        await node.announce(LAYER, 5, b"", complete=True)
        assert await node.publish(named()) is None
        assert await node.resolve(SCOPE, "latest") == named()
        assert await node.listing(SCOPE) == [named()]
        assert await node.find(LAYER) == []
        assert cluster.network.sent.total() == 0

    in_cluster(scenario)


def test_what_was_announced_alone_is_found_by_nodes_that_join_later(in_cluster, named):
    async def scenario(cluster):
        first = await cluster.add()
        await first.announce(LAYER, 5, b"", complete=True)
        await first.publish(named())
        await cluster.add_many(40)
        for node in cluster.nodes[1:]:
            assert len(await node.find(LAYER)) == 1
            assert await node.resolve(SCOPE, "latest") == named()

    in_cluster(scenario)


def test_lookups_succeed_and_stay_fast_with_a_fifth_of_the_nodes_dead(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(80)
        cluster.network.delay = (0.01, 0.01)
        digests = [Digest.of(b"%d" % number) for number in range(60)]
        for digest in digests:
            await cluster.rng.choice(nodes[16:]).announce(digest, 1, b"", complete=True)
        for node in nodes[:16]:
            cluster.kill(node)
        loop = asyncio.get_running_loop()
        took = []
        for digest in digests:
            began = loop.time()
            finder = cluster.rng.choice(cluster.nodes)
            found = await finder.find(digest)
            took.append(loop.time() - began)
            assert found or digest in finder._announcer._holdings
        took.sort()
        assert took[len(took) // 2] <= 3 * 0.02
        assert took[-1] < 0.5

    in_cluster(scenario)


def test_many_lookups_run_at_once(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(30)
        digests = [Digest.of(b"%d" % number) for number in range(100)]
        await asyncio.gather(*(nodes[1].announce(digest, 1, b"", complete=True) for digest in digests))
        began = asyncio.get_running_loop().time()
        found = await asyncio.gather(*(nodes[2].find(digest) for digest in digests))
        assert all(len(providers) == 1 for providers in found)
        assert asyncio.get_running_loop().time() - began < 0.1

    in_cluster(scenario)


def test_popular_digest_gives_different_finders_different_providers(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(40)
        for node in nodes[:30]:
            await node.announce(LAYER, 1, b"", complete=True)
        answers = [frozenset(p.node_id for p in await node.find(LAYER)) for node in nodes[30:]]
        assert {len(answer) for answer in answers} == {8}
        assert len(frozenset.union(*answers)) > 15

    in_cluster(scenario)


def test_one_live_provider_is_found_among_many(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(40)
        for node in nodes[:30]:
            await node.announce(LAYER, 1, b"", complete=True)
        for node in nodes[30:]:
            assert len(await node.find(LAYER, 64)) == 30

    in_cluster(scenario)


def test_node_that_leaves_is_no_provider_any_more(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(20)
        for node in nodes[:10]:
            await node.announce(LAYER, 1, b"", complete=True)
        for node in nodes[:9]:
            await node.close()
        for node in nodes[10:]:
            assert [p.node_id for p in await node.find(LAYER)] == [nodes[9]._identity.node_id]

    in_cluster(scenario)


def test_withdrawal_reaches_everyone_in_seconds(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(30)
        await nodes[3].announce(LAYER, 1, b"", complete=True)
        await cluster.add_many(15)
        await nodes[3].withdraw(LAYER)
        assert asyncio.get_running_loop().time() < 60
        for node in cluster.nodes:
            assert await node.find(LAYER) == []

    in_cluster(scenario)


def test_dead_nodes_records_expire(in_cluster):
    async def scenario(cluster):
        nodes = await cluster.add_many(10)
        await nodes[3].announce(LAYER, 1, b"", complete=True)
        cluster.kill(nodes[3])
        await asyncio.gather(nodes[3]._tasks.close(), asyncio.sleep(3700))
        assert await nodes[4].find(LAYER) == []
        assert not any(node._storage.providers(key_of_digest(LAYER), 0, 0, 0).records for node in cluster.nodes)

    in_cluster(scenario)


def test_newest_tag_wins_though_a_tenth_of_all_datagrams_are_lost(in_cluster, named, epoch):
    async def scenario(cluster):
        nodes = await cluster.add_many(30)
        rng = Random(5)
        with cluster.network.dropping(lambda *_: rng.random() < 0.1):
            for version in range(5):
                await nodes[version].publish(named(node=version, issued=epoch + version))
        for node in nodes:
            assert (await node.resolve(SCOPE, "latest")).issued == epoch + 4

    in_cluster(scenario)


def test_names_outlive_the_lease_while_one_node_that_published_them_runs(in_cluster, named):
    async def scenario(cluster):
        nodes = await cluster.add_many(4)
        await nodes[0].publish(named())
        await nodes[1].publish(named())
        await nodes[0].close()
        cluster.nodes.remove(nodes[0])
        await asyncio.sleep(3 * 3600)
        assert await nodes[3].resolve(SCOPE, "latest") == named()
        await nodes[1].close()
        cluster.nodes.remove(nodes[1])
        await asyncio.sleep(3 * 3600)
        assert await nodes[3].resolve(SCOPE, "latest") is None

    in_cluster(scenario)


def test_long_listing_is_read_page_by_page(in_cluster, named):
    async def scenario(cluster):
        nodes = await cluster.add_many(12)
        for number in range(60):
            await nodes[number % 12].publish(named(name=f"v{number:03}"))
        assert [record.name for record in await nodes[5].listing(SCOPE)] == [f"v{n:03}" for n in range(60)]

    in_cluster(scenario)


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
