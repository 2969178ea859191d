import asyncio

import pytest

from p2player.dht.records import NameRecord
from p2player.errors import ReferenceNotFound
from p2player.oci.reference import Reference

APP = Reference.parse("app:1")


async def test_a_tag_means_what_was_published_last_anywhere(cluster, make_image):
    first, second, node = cluster.add(), cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await first.add_image(old, "app:1")
    await asyncio.sleep(1)
    await second.add_image(new, "app:1")
    for asked in (first, second, node):
        assert (await asked.names.newest(APP)).descriptor.digest == new.document.digest


async def test_a_newer_meaning_here_wins_over_an_older_one_in_the_cluster(cluster, make_image):
    node = cluster.add()
    await node.add_image(make_image(1), "app:1")
    published = cluster.records.names[str(APP.repository)].pop("1")
    await asyncio.sleep(1)
    await node.add_image(make_image(2), "app:1")
    cluster.records.names[str(APP.repository)]["1"] = published
    assert (await node.names.newest(APP)).descriptor.digest == make_image(2).document.digest


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
        assert (await asked.names.newest(APP)).descriptor.digest == make_image(2).document.digest
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
    row = await third.names.newest(APP)
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
