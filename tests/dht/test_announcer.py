import asyncio
from collections import Counter

from p2player.dht.announcer import NAME_PERIOD, PROVIDER_PERIOD
from p2player.dht.discovery import PROVIDER_TTL_MS
from p2player.dht.records import key_of_digest, unpack_record
from p2player.oci.digest import Digest

LAYER = Digest.of(b"layer")
SCOPE = "docker.io/library/nginx"


def kept(node, digest=LAYER):
    """The record of digest that node keeps."""
    (raw,) = node._storage.providers(key_of_digest(digest), 0, 0, 0).records
    return unpack_record(raw)


def test_records_are_renewed_long_before_they_expire(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        await one.announce(LAYER, 1, b"", complete=True)
        for _ in range(12):
            await asyncio.sleep(PROVIDER_PERIOD / 2)
            assert kept(two).expires - cluster.now_ms() > PROVIDER_TTL_MS / 8

    in_cluster(scenario)


def test_private_digest_stays_private_through_renewals(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        await one.announce(LAYER, 1, b"", complete=True, private=True)
        first = kept(two)
        await asyncio.sleep(2 * PROVIDER_PERIOD)
        assert kept(two).issued > first.issued
        assert kept(two).private

    in_cluster(scenario)


def test_withdrawn_digest_is_not_renewed(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        await one.announce(LAYER, 1, b"", complete=True)
        await one.withdraw(LAYER)
        await asyncio.sleep(2 * PROVIDER_PERIOD + 61)
        assert len(one._storage) == len(two._storage) == 0

    in_cluster(scenario)


def test_renewals_spread_evenly_though_all_was_announced_at_once(in_cluster):
    async def scenario(cluster):
        one, _ = await cluster.add_many(2)
        await asyncio.gather(*(one.announce(Digest.of(b"%d" % n), 1, b"", complete=True) for n in range(300)))
        await asyncio.sleep(PROVIDER_PERIOD)
        sent = cluster.network.sent
        slices = []
        for _ in range(10):
            before = sent["10.0.0.1"]
            await asyncio.sleep(PROVIDER_PERIOD / 10)
            slices.append(sent["10.0.0.1"] - before)
        assert max(slices) < 2 * min(slices)
        assert sum(slices) < 300 * 5

    in_cluster(scenario)


def test_thousands_announced_together_are_placed_a_few_at_a_time(in_cluster):
    async def scenario(cluster):
        one, two, three = await cluster.add_many(3)
        announced = asyncio.gather(*(one.announce(Digest.of(b"%d" % n), 1, b"", complete=True) for n in range(300)))
        most = 0
        while not announced.done():
            most = max(most, len(one._protocol._outstanding))
            await asyncio.sleep(0.0001)
        assert 0 < most < 100
        assert len(two._storage) == len(three._storage) == 300

    in_cluster(scenario)


def test_records_are_signed_only_when_renewed(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        await one.announce(LAYER, 1, b"", complete=True)
        first = kept(two)
        one._announcer.hurry()
        await asyncio.sleep(5)
        assert kept(two) == first
        await asyncio.sleep(2 * PROVIDER_PERIOD)
        assert kept(two).issued > first.issued

    in_cluster(scenario)


def test_everything_is_placed_again_when_twice_as_many_nodes_are_known(in_cluster):
    async def scenario(cluster):
        (one,) = await cluster.add_many(1)
        await one.announce(LAYER, 1, b"", complete=True)
        await cluster.add_many(30)
        await asyncio.sleep(5)
        holders = sum(bool(node._storage.providers(key_of_digest(LAYER), 0, 0, 0).records) for node in cluster.nodes)
        assert holders > 8

    in_cluster(scenario)


def test_new_address_is_announced_by_itself(in_cluster):
    async def scenario(cluster):
        one, two = await cluster.add_many(2)
        await one.announce(LAYER, 1, b"", complete=True)
        one._vantage.bound_to("0.0.0.0", lambda _host: "10.0.0.77")
        one._seen_at(b"somebody", "10.0.0.88")
        await asyncio.sleep(5)
        assert kept(two).address.host == "10.0.0.88"

    in_cluster(scenario)


def test_older_name_is_no_longer_renewed_once_the_cluster_has_a_newer_one(in_cluster, named, epoch):
    async def scenario(cluster):
        one, two, three = await cluster.add_many(3)
        older, newer = named(issued=epoch), named(node=2, issued=epoch + 1)
        await one.publish(older)
        await two.publish(newer)
        assert await one.publish(older) == newer
        await asyncio.sleep(3 * NAME_PERIOD)
        assert not one._announcer._names
        assert await three.resolve(SCOPE, "latest") == newer

    in_cluster(scenario)


def test_own_older_name_is_refused_without_a_datagram(in_cluster, named, epoch):
    async def scenario(cluster):
        one, _ = await cluster.add_many(2)
        newer = named(issued=epoch + 1)
        await one.publish(newer)
        before = Counter(cluster.network.sent)
        assert await one.publish(named(issued=epoch)) == newer
        assert cluster.network.sent == before

    in_cluster(scenario)
