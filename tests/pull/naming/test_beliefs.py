import asyncio

import pytest

from p2player.counters import Counters
from p2player.dht.records import NameRecord
from p2player.errors import ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity
from p2player.pull.held.holdings import row_of
from p2player.pull.naming.beliefs import Beliefs
from p2player.pull.naming.publishers import read_publishers
from p2player.upstream.settings import UpstreamSettings

APP = Reference.parse("app:1")
SCOPE = str(APP.repository)
ME, PUBLISHER, LIAR = (Identity.from_seed(bytes([n] * 32)) for n in (1, 2, 3))


def record(identity, *, scope=SCOPE, name="1", issued=1):
    return NameRecord.make(
        identity, scope=scope, name=name, digest=Digest.of(b"x"), media_type="a/b", size=1, issued=issued
    )


def rules(*nodes):
    return read_publishers([{"key": str(node.identity.node_id), "names": ["docker.io/library/*"]} for node in nodes])


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def beliefs(counters):
    allowed = read_publishers([{"key": str(PUBLISHER.node_id), "names": [SCOPE]}])
    return Beliefs(allowed, ME.node_id, counters)


def test_without_rules_everybody_is_believed(counters):
    beliefs = Beliefs((), ME.node_id, counters)
    assert beliefs.believes(record(LIAR))
    assert beliefs.among([row_of(record(LIAR))])
    assert counters.events == {}


def test_with_rules_this_node_and_who_they_cover_are_believed_and_others_counted(beliefs, counters):
    assert beliefs.believes(record(PUBLISHER))
    assert beliefs.believes(record(ME, scope="ghcr.io/any"))
    assert counters.events == {}
    assert not beliefs.believes(record(LIAR))
    assert not beliefs.believes(record(PUBLISHER, scope="ghcr.io/any"))
    assert counters.events == {"names.not_believed": 2}
    assert beliefs.refused(SCOPE, "1") == (LIAR.node_id,)
    assert beliefs.refused(SCOPE, "2") == ()


def test_referrers_are_no_tags(beliefs):
    assert beliefs.believes(record(LIAR, scope=f"referrers:{Digest.of(b'x')}", name=str(Digest.of(b"y"))))


def test_rows_that_were_kept_under_other_rules_are_no_longer_believed(beliefs):
    kept = [row_of(record(identity)) for identity in (ME, PUBLISHER, LIAR)]
    assert beliefs.among(kept) == kept[:2]


def test_what_is_remembered_of_the_unbelieved_is_bounded(beliefs):
    for number in range(1100):
        beliefs.believes(record(LIAR, name=str(number)))
    assert beliefs.refused(SCOPE, "99") == ()
    assert beliefs.refused(SCOPE, "1099") == (LIAR.node_id,)
    for number in range(20):
        beliefs.believes(record(Identity.from_seed(bytes([100 + number] * 32))))
    assert len(beliefs.refused(SCOPE, "1")) == 16


def test_what_a_banned_node_signs_is_not_believed_with_or_without_rules(counters):
    banned = set()
    everybody = read_publishers([{"key": "*", "names": ["*"]}])
    for allowed in ((), everybody):
        banned.clear()
        beliefs = Beliefs(allowed, ME.node_id, counters, lambda: frozenset(banned))
        kept = [row_of(record(identity)) for identity in (PUBLISHER, LIAR)]
        referrer = record(LIAR, scope=f"referrers:{Digest.of(b'x')}", name=str(Digest.of(b"y")))
        assert beliefs.among(kept) == kept
        banned.add(LIAR.node_id.raw)
        assert beliefs.among(kept) == kept[:1]
        assert not beliefs.believes(referrer)
        assert LIAR.node_id in beliefs.refused(SCOPE, "1")
        assert PUBLISHER.node_id not in beliefs.refused(SCOPE, "1")


async def test_a_tag_of_a_banned_node_means_nothing_until_it_is_forgiven(cluster, make_image):
    seed, liar, node = cluster.add(), cluster.add(), cluster.add()
    right, wrong = make_image(1), make_image(2)
    await seed.add_image(right, "app:1")
    await asyncio.sleep(1)
    await liar.add_image(wrong, "app:1")
    await liar.add_image(wrong, "app:2")
    node.store.ban(liar.identity.node_id.raw, "lied")
    assert (await node.images.resolve(APP)).digest == right.document.digest
    with pytest.raises(ReferenceNotFound, match="only banned nodes") as caught:
        await node.images.resolve(Reference.parse("app:2"))
    assert "p2player peers" in caught.value.hint
    node.store.unban(liar.identity.node_id.raw)
    assert (await node.images.resolve(Reference.parse("app:2"))).digest == wrong.document.digest


@pytest.fixture
async def told(cluster, make_image):
    """A publisher that gives app:1 a meaning, a liar that gives it a newer one, and a node that knows who may."""

    class Told:
        publisher, liar, node = cluster.add(), cluster.add(), cluster.add()
        right, wrong = make_image(1), make_image(2)

    Told.node.publishers = rules(Told.publisher)
    await Told.node.restart()
    await Told.publisher.add_image(Told.right, "app:1")
    await asyncio.sleep(1)
    await Told.liar.add_image(Told.wrong, "app:1")
    return Told


async def test_a_newer_lie_about_a_tag_does_not_hide_what_its_publisher_says(cluster, told):
    assert (await told.node.images.resolve(APP)).digest == told.right.document.digest
    # negative twin: whoever has no rules believes the newest
    assert (await cluster.add().images.resolve(APP)).digest == told.wrong.document.digest


async def test_a_lie_that_stands_alone_is_a_clear_error_and_no_image(cluster, told):
    cluster.records.names[SCOPE]["1"].pop(told.publisher.identity.node_id)
    with pytest.raises(ReferenceNotFound, match=told.liar.identity.node_id.short) as caught:
        await told.node.images.resolve(APP)
    assert "[[publishers]]" in caught.value.hint
    assert told.node.counters.events["names.not_believed"] > 0


async def test_a_lie_is_neither_listed_nor_kept_nor_shared(cluster, told, make_image):
    await told.liar.add_image(make_image(3), "app:2")
    assert await told.node.images.tags(APP.repository) == ["1"]
    await told.node.images.resolve(APP)
    await told.node.restart()
    assert told.node.store.name(SCOPE, "1").descriptor.digest == told.right.document.digest
    assert (await told.node.images.resolve(APP)).digest == told.right.document.digest


async def test_a_name_kept_before_there_were_rules_is_as_if_absent(cluster, told, make_image):
    node = cluster.add()
    await node.images.resolve(APP)
    assert node.store.name(SCOPE, "1").descriptor.digest == told.wrong.document.digest
    await asyncio.sleep(1)  # until it has helped to keep the name alive
    cluster.records.names.clear()
    node.publishers = rules(told.publisher)
    await node.restart()
    assert not cluster.records.names
    with pytest.raises(ReferenceNotFound):
        await node.images.resolve(APP)
    await told.publisher.names.republish()
    assert (await node.images.resolve(APP)).digest == told.right.document.digest
    assert node.store.name(SCOPE, "1").descriptor.digest == told.right.document.digest


async def test_while_the_registry_is_down_only_publishers_say_what_it_said_last(cluster, told):
    cluster.settings.append(UpstreamSettings("docker.io", ()))
    cluster.registry.faults["docker.io"] = "down"
    await told.node.restart()
    for node, image in ((told.publisher, told.right), (told.liar, told.wrong)):
        await asyncio.sleep(1)
        await node.holdings.publish(node.holdings.name_row(APP, image.document.descriptor, upstream=True))
    found = await told.node.names.newest(APP)
    assert found.row.descriptor.digest == told.right.document.digest
    assert found.stale_for is not None


async def test_a_name_of_ones_own_is_believed_and_outlives_a_lie(cluster, told, make_image):
    own = make_image(4)
    await told.node.add_image(own, "app:own")
    await asyncio.sleep(1)
    await told.liar.add_image(told.wrong, "app:own")
    assert (await told.node.images.resolve(Reference.parse("app:own"))).digest == own.document.digest


async def test_why_shows_who_is_not_believed(cluster, told):
    liar = str(told.liar.identity.node_id)
    shown = await told.node.images.why(APP)
    assert (shown.digest, shown.not_believed) == (told.right.document.digest, (liar,))
    cluster.records.names[SCOPE]["1"].pop(told.publisher.identity.node_id)
    shown = await told.node.images.why(APP)
    assert (shown.digest, shown.not_believed) == (None, (liar,))
    assert shown.verdict.startswith("None of its publishers publishes")
    assert (await cluster.add().images.why(APP)).not_believed == ()
