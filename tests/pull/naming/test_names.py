import asyncio
from dataclasses import replace

import pytest

from p2player.dht.records import NameRecord
from p2player.errors import LoginRequired, RateLimited, ReferenceNotFound, Unavailable, UpstreamUnreachable
from p2player.oci.reference import Reference
from p2player.upstream.memory import PATIENCE
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

APP = Reference.parse("app:1")
HUB = UpstreamSettings("docker.io", ("https://registry-1.docker.io",))
GOOD, BAD = Login("Basic Z29vZA=="), Login("Basic YmFk")


async def test_a_tag_means_what_was_published_last_anywhere(cluster, make_image):
    first, second, node = cluster.add(), cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await first.add_image(old, "app:1")
    await asyncio.sleep(1)
    await second.add_image(new, "app:1")
    for asked in (first, second, node):
        assert (await asked.names.newest(APP)).row.descriptor.digest == new.document.digest


async def test_a_newer_meaning_here_wins_over_an_older_one_in_the_cluster(cluster, make_image):
    node = cluster.add()
    await node.add_image(make_image(1), "app:1")
    published = cluster.records.names[str(APP.repository)].pop("1")
    await asyncio.sleep(1)
    await node.add_image(make_image(2), "app:1")
    cluster.records.names[str(APP.repository)]["1"] = published
    assert (await node.names.newest(APP)).row.descriptor.digest == make_image(2).document.digest


async def test_a_restarted_node_does_not_bring_an_older_meaning_back(cluster, make_image):
    first, second, node = cluster.add(), cluster.add(), cluster.add()
    await first.add_image(make_image(1), "app:1")
    await node.images.resolve(APP)
    await node.close()
    await asyncio.sleep(1)
    await second.add_image(make_image(2), "app:1")
    node.start()
    for row in node.store.names():
        await node.holdings.republish(row)
    third = cluster.add()
    for asked in (first, second, node, third):
        assert (await asked.names.newest(APP)).row.descriptor.digest == make_image(2).document.digest
    assert node.store.name(str(APP.repository), "1").descriptor.digest == make_image(2).document.digest


async def test_nobody_publishing_it_is_an_error_that_says_how_to(cluster):
    with pytest.raises(ReferenceNotFound) as caught:
        await cluster.add().names.newest(APP)
    assert "p2player seed" in caught.value.hint


async def test_a_kept_name_is_shared_on_by_whoever_keeps_it(cluster, make_image):
    seed, node, third = cluster.add(), cluster.add(), cluster.add()
    await seed.add_image(make_image(), "app:1")
    await node.names.keep(await node.names.newest(APP))
    cluster.records.names.clear()
    await node.restart()
    row = (await third.names.newest(APP)).row
    assert row.descriptor.digest == make_image().document.digest
    assert NameRecord.unpack(row.record).public_key == seed.identity.public_key


async def test_tags_are_those_of_everybody(cluster, make_image):
    first, second = cluster.add(), cluster.add()
    await first.add_image(make_image(1), "app:1")
    await second.add_image(make_image(2), "app:2")
    await second.add_image(make_image(2), "other:3")
    assert await first.names.tags(APP.repository) == ["1", "2"]
    cluster.records.names.clear()
    assert await first.names.tags(APP.repository) == ["1"]


@pytest.fixture
def upstream(cluster, make_image):
    """Put app:1, an image of this seed, into Docker Hub, which the nodes added from then on may ask."""
    cluster.settings[:] = [HUB]

    def put(seed=1):
        return cluster.registry.put_document(APP.repository, make_image(seed).document, "1")

    put()
    return put


async def meant(node, asker="anonymous"):
    """The digest that node takes app:1 for, and for how long that has been stale."""
    meaning = await node.names.newest(APP, asker)
    await node.names.keep(meaning)
    await asyncio.sleep(0)
    return meaning.row.descriptor.digest, meaning.stale_for


async def seed(node, image):
    await node.add_image(image, str(APP))
    return image.document.digest


def asked(cluster):
    return cluster.registry.requests["1"]


async def test_registry_is_asked_once_in_a_tag_ttl(cluster, upstream):
    node = cluster.add()
    assert len({await meant(node) for _ in range(5)}) == 1
    assert asked(cluster) == 1
    moved = upstream(2)
    await asyncio.sleep(HUB.tag_ttl - 1)
    assert (await meant(node))[0] != moved
    await asyncio.sleep(2)
    assert await meant(node) == (moved, None)
    assert asked(cluster) == 2


async def test_many_who_ask_at_once_ask_the_registry_once(cluster, upstream):
    cluster.registry.latency = 1.0
    node = cluster.add()
    await asyncio.gather(*(node.names.newest(APP) for _ in range(64)))
    assert asked(cluster) == 1
    assert node.counters.events == {"tags.confirmed": 1}


async def test_fresh_word_of_the_registry_counts_more_than_any_record(cluster, upstream, make_image):
    node, other = cluster.add(), cluster.add()
    await asyncio.sleep(10)
    await seed(other, make_image(2))
    await seed(node, make_image(3))
    assert await meant(node) == (make_image(1).document.digest, None)
    assert await meant(other) == (make_image(1).document.digest, None)


async def test_tag_that_one_node_saw_serves_the_cluster_while_the_registry_is_down(cluster, upstream):
    first, second = cluster.add(), cluster.add()
    digest, _ = await meant(first)
    await asyncio.sleep(500)
    cluster.registry.faults["docker.io"] = "down"
    assert await meant(second) == (digest, pytest.approx(500, abs=1))
    assert second.counters.events == {"tags.stale": 1}


async def test_age_of_a_stale_tag_counts_from_when_it_was_confirmed_last(cluster, upstream):
    node = cluster.add()
    await meant(node)
    await asyncio.sleep(600)
    digest, _ = await meant(node)
    await asyncio.sleep(100)
    cluster.registry.faults["docker.io"] = "down"
    assert await meant(node) == (digest, pytest.approx(100, abs=1))
    await node.close()
    node.start()
    assert await meant(node) == (digest, pytest.approx(700, abs=1))


async def test_within_its_ttl_a_tag_is_not_stale_though_the_registry_is_down(cluster, upstream):
    node = cluster.add()
    digest, _ = await meant(node)
    cluster.registry.faults["docker.io"] = "down"
    await asyncio.sleep(HUB.tag_ttl - 1)
    assert await meant(node) == (digest, None)


async def test_registry_that_comes_back_is_asked_again_within_seconds(cluster, upstream):
    node = cluster.add()
    await meant(node)
    await asyncio.sleep(100)
    cluster.registry.faults["docker.io"] = "down"
    for _ in range(5):
        await meant(node)
    assert asked(cluster) == 2
    cluster.registry.faults.clear()
    moved = upstream(2)
    await asyncio.sleep(6)
    assert await meant(node) == (moved, None)


async def test_registry_that_hangs_holds_up_a_stale_answer_only_shortly(cluster, upstream):
    node, other = cluster.add(), cluster.add()
    await meant(node)
    await asyncio.sleep(100)
    cluster.registry.faults["docker.io"] = "hang"
    for late in (node, other):
        start = asyncio.get_running_loop().time()
        assert (await meant(late))[1] > 0
        assert asyncio.get_running_loop().time() - start < 3.5


async def test_registry_that_hangs_is_waited_for_when_there_is_no_other_answer(cluster, upstream):
    cluster.registry.faults["docker.io"] = "hang"
    with pytest.raises(UpstreamUnreachable):
        await meant(cluster.add())
    assert asyncio.get_running_loop().time() >= PATIENCE


async def test_registry_that_is_down_is_no_proof_that_there_is_no_such_tag(cluster, upstream):
    cluster.registry.faults["docker.io"] = "rate limited"
    with pytest.raises(RateLimited):
        await meant(cluster.add())


@pytest.mark.parametrize("has_registry", [True, False])
async def test_a_name_that_nobody_tells_at_once_is_asked_for_again_where_no_registry_does(
    cluster, make_image, has_registry
):
    if has_registry:
        cluster.settings[:] = [HUB]
        cluster.registry.faults["docker.io"] = "down"
    seed, node = cluster.add(), cluster.add()
    looking = asyncio.gather(node.names.newest(APP))
    await asyncio.sleep(2)
    await seed.add_image(make_image(), "app:1")
    assert [found.row.descriptor.digest for found in await looking] == [make_image().document.digest]


async def test_a_name_that_the_registry_does_not_have_is_not_waited_for(cluster, upstream):
    cluster.registry.remove(APP.repository, "1")
    began = asyncio.get_running_loop().time()
    with pytest.raises(ReferenceNotFound):
        await meant(cluster.add())
    assert asyncio.get_running_loop().time() - began < 0.3


async def test_policy_may_forbid_stale_answers_but_not_seeded_ones(cluster, upstream, make_image):
    cluster.settings[:] = [replace(HUB, stale=False)]
    node, other = cluster.add(), cluster.add()
    await meant(node)
    await asyncio.sleep(100)
    cluster.registry.faults["docker.io"] = "down"
    with pytest.raises(Unavailable):
        await meant(node)
    await asyncio.sleep(10)
    seeded = await seed(other, make_image(2))
    assert await meant(other) == (seeded, None)
    assert await meant(node) == (seeded, None)


async def test_name_that_the_registry_lacks_is_found_if_it_was_seeded(cluster, upstream, make_image):
    node, other = cluster.add(), cluster.add()
    cluster.registry.remove(APP.repository, "1")
    seeded = await seed(other, make_image(2))
    for _ in range(3):
        assert await meant(node) == (seeded, None)
    assert asked(cluster) == 1
    upstream(1)
    await asyncio.sleep(6)
    assert (await meant(node))[0] == make_image(1).document.digest


async def test_name_that_the_registry_gave_up_is_not_found_any_more(cluster, upstream):
    node = cluster.add()
    await meant(node)
    cluster.registry.remove(APP.repository, "1")
    await asyncio.sleep(100)
    with pytest.raises(ReferenceNotFound):
        await meant(node)


async def test_name_that_the_registry_hides_is_found_if_it_was_seeded(cluster, make_image):
    cluster.settings[:] = [HUB]
    cluster.registry.make_private(APP.repository, GOOD)
    node, other = cluster.add(), cluster.add()
    with pytest.raises(LoginRequired):
        await meant(node)
    seeded = await seed(other, make_image(2))
    assert await meant(node) == (seeded, None)
    assert not node.store.is_private(seeded)


async def test_private_tag_is_told_to_who_has_a_login(cluster, upstream):
    cluster.registry.make_private(APP.repository, GOOD)
    node = cluster.add()
    digest, _ = await meant(node, GOOD)
    assert node.store.is_private(digest)
    for asker in (BAD, "anonymous"):
        with pytest.raises(LoginRequired):
            await meant(node, asker)
    before = asked(cluster)
    assert (await meant(node, GOOD))[0] == digest
    assert asked(cluster) == before


@pytest.mark.parametrize("stale_access", [True, False])
async def test_private_tag_of_a_registry_that_is_down_is_for_those_let_in_before(cluster, upstream, stale_access):
    cluster.settings[:] = [replace(HUB, stale_access=stale_access)]
    cluster.registry.make_private(APP.repository, GOOD)
    node = cluster.add()
    digest, _ = await meant(node, GOOD)
    await asyncio.sleep(1000)
    cluster.registry.faults["docker.io"] = "down"
    for asker in (BAD, "anonymous", *(() if stale_access else (GOOD,))):
        with pytest.raises(Unavailable):
            await meant(node, asker)
    if stale_access:
        assert (await meant(node, GOOD))[0] == digest


async def test_public_tag_is_noted_as_open(cluster, upstream, make_image):
    node = cluster.add()
    digest, _ = await meant(node)
    assert node.store.origins(digest) == [(str(APP.repository), False)]


async def test_tag_that_means_a_private_manifest_does_not_open_it(cluster, upstream, make_image):
    node = cluster.add()
    digest = make_image(1).document.digest
    node.store.add_origin(digest, "registry.corp/x", private=True)
    await meant(node)
    assert node.store.is_private(digest)


async def test_confirmed_tag_is_signed_anew_when_it_moves_or_grows_old(cluster, upstream):
    first, second = cluster.add(), cluster.add()
    signers = []
    for node, pause in ((first, 0), (second, 60), (second, 300), (second, 1500), (first, 10)):
        await asyncio.sleep(pause)
        await meant(node)
        record = await first.discovery.resolve(str(APP.repository), "1")
        assert record.upstream
        signers.append((record.node_id, record.issued))
    assert signers[0] == signers[1] == signers[2] != signers[3] == signers[4]
    assert [signer for signer, _ in signers] == [first.identity.node_id] * 3 + [second.identity.node_id] * 2


async def test_what_one_may_not_see_another_may(cluster, upstream):
    node = cluster.add()
    cluster.registry.remove(APP.repository, "1")
    with pytest.raises(ReferenceNotFound):
        await meant(node)
    upstream()
    with pytest.raises(ReferenceNotFound):
        await meant(node)
    assert await meant(node, GOOD)


async def test_tags_are_those_of_the_registry_and_those_seeded(cluster, upstream, make_image):
    node, other = cluster.add(), cluster.add()
    await other.add_image(make_image(2), "app:seeded")
    await meant(other)
    cluster.registry.put_document(APP.repository, make_image(3).document, "2")
    assert await node.names.tags(APP.repository) == ["1", "2", "seeded"]
    cluster.registry.remove(APP.repository, "1")
    assert await node.names.tags(APP.repository) == ["2", "seeded"]
    cluster.registry.faults["docker.io"] = "down"
    assert await node.names.tags(APP.repository) == ["1", "seeded"]


async def test_tags_of_a_private_repository_are_told_to_who_has_a_login(cluster, upstream, make_image):
    cluster.registry.make_private(APP.repository, GOOD)
    node = cluster.add()
    await meant(node, GOOD)
    assert await node.names.tags(APP.repository, GOOD) == ["1"]
    with pytest.raises(LoginRequired):
        await node.names.tags(APP.repository)
    cluster.registry.faults["docker.io"] = "down"
    with pytest.raises(Unavailable):
        await node.names.tags(APP.repository)
    cluster.registry.faults.clear()
    await node.add_image(make_image(2), "app:seeded")
    assert await node.names.tags(APP.repository) == ["seeded"]


async def test_registry_that_may_not_be_asked_is_not(cluster, upstream, make_image):
    cluster.settings.clear()
    node = cluster.add()
    seeded = await seed(node, make_image(2))
    assert await meant(node) == (seeded, None)
    assert await node.names.tags(APP.repository) == ["1"]
    assert asked(cluster) == 0
