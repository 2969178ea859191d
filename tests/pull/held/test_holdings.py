import asyncio
from dataclasses import replace

import pytest

from p2player.dht.records import NameRecord
from p2player.oci.reference import Reference
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.held.holdings import referrers_scope, row_of
from p2player.swarm.realm import Realm

APP = Reference.parse("app:1")


async def meaning(node):
    record = await node.discovery.resolve(str(APP.repository), "1")
    return record and record.digest


async def test_what_is_added_is_announced_and_what_is_large_is_seeded_too(cluster, make_blob):
    node, other = cluster.add(), cluster.add()
    large, small = make_blob(SMALL_BLOB + 1), make_blob(SMALL_BLOB)
    await node.add(large.data, small.data)
    assert node.swarms.served == {large.metainfo.infohash}
    assert node.holdings.small(small.digest) == small.data
    assert node.holdings.small(large.digest) is None
    for blob in (large, small):
        (record,) = await other.discovery.find(blob.digest)
        assert (record.size, record.root, record.complete) == (len(blob.data), blob.metainfo.root, True)


async def test_what_is_not_held_or_has_just_gone_is_no_small_blob(cluster, make_blob):
    node = cluster.add()
    blob = make_blob(1000)
    assert node.holdings.small(blob.digest) is None
    await node.add(blob.data)
    node.store.path(blob.digest).unlink()
    assert node.holdings.small(blob.digest) is None


async def test_what_the_disk_has_spoilt_is_no_small_blob_and_so_no_lie(cluster, make_blob):
    node = cluster.add()
    blob = make_blob(1000)
    await node.add(blob.data)
    node.store.path(blob.digest).write_bytes(blob.data[:-1])
    assert node.holdings.small(blob.digest) is None


async def test_what_is_dropped_is_neither_seeded_nor_announced(cluster, make_blob):
    node, other = cluster.add(), cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    await node.holdings.drop([node.store.get(blob.digest)])
    assert node.swarms.served == frozenset()
    assert await other.discovery.find(blob.digest) == []


async def test_while_a_secret_is_changed_blobs_are_seeded_in_both_realms_and_found_in_the_current(cluster, make_blob):
    before, after = cluster.realms[0], Realm(b"under the next secret")
    node, other = cluster.add(), cluster.add()
    blob, later = make_blob(), make_blob(2_000_000)
    await node.add(blob.data)

    def infohashes(*realms):
        held = [one.metainfo for one in (blob, later) if node.store.get(one.digest)]
        return {replace(metainfo, realm=realm).infohash for metainfo in held for realm in realms}

    cluster.realms = (before, after)
    node.holdings.follow_realms()
    assert node.swarms.served == infohashes(before, after)
    cluster.realms = (after, before)
    node.holdings.follow_realms()
    await node.add(later.data)
    assert node.swarms.served == infohashes(before, after)
    (claim,) = (await other.parts.search.look(blob.digest, 1)).claims
    assert claim.metainfo.realm == after
    cluster.realms = (after,)
    node.holdings.follow_realms()
    assert node.swarms.served == infohashes(after)
    await node.holdings.drop([node.store.get(blob.digest)])
    assert len(node.swarms.served) == 1


async def test_what_is_dropped_while_a_secret_is_changed_is_seeded_nowhere(cluster, make_blob):
    cluster.realms = (*cluster.realms, Realm(b"under the next secret"))
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    assert len(node.swarms.served) == 2
    await node.holdings.drop([node.store.get(blob.digest)])
    assert node.swarms.served == frozenset()


async def test_what_has_left_the_store_since_it_was_listed_is_not_announced(cluster, make_blob):
    node, other = cluster.add(), cluster.add()
    blob = make_blob(1000)
    await node.add(blob.data)
    listed = node.store.blobs()
    await node.holdings.drop(listed)
    node.store.remove([blob.digest])
    await node.holdings.announce(listed)
    assert await other.discovery.find(blob.digest) == []


async def test_a_manifest_about_another_is_published_under_that_one(cluster, make_image):
    node, other = cluster.add(), cluster.add()
    image = make_image(1)
    note = make_image(2, subject=image.document)
    await node.add(*image.blobs, *note.blobs)
    (record,) = await other.discovery.listing(referrers_scope(image.document.digest))
    assert record.digest == note.document.digest


async def test_a_name_given_here_replaces_what_another_clock_dated_later(cluster, make_image):
    ahead, node = cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await ahead.add(*old.blobs)
    await node.add(*new.blobs)
    ahead.holdings._now_ms = lambda: cluster.now_ms() + 120_000
    await ahead.holdings.publish(ahead.holdings.name_row(APP, old.document.descriptor))
    await node.holdings.publish(node.holdings.name_row(APP, new.document.descriptor))
    assert await meaning(ahead) == new.document.digest
    assert node.store.name(str(APP.repository), "1").descriptor.digest == new.document.digest


async def test_a_name_kept_from_earlier_gives_way_to_a_newer_one_and_takes_it_over(cluster, make_image):
    first, node = cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await node.add_image(old, "app:1")
    row = node.store.name(str(APP.repository), "1")
    await asyncio.sleep(1)
    await first.add_image(new, "app:1")
    await node.holdings.republish(row)
    assert await meaning(node) == new.document.digest
    assert node.store.name(str(APP.repository), "1").descriptor.digest == new.document.digest


async def test_a_name_that_is_given_up_and_given_again_at_once_is_there(cluster, make_image):
    node = cluster.add()
    image = make_image()
    await node.add_image(image, "app:1")
    await node.holdings.unpublish(APP)
    assert await meaning(node) is None
    node.store.remove_name(str(APP.repository), "1")
    await node.holdings.publish(node.holdings.name_row(APP, image.document.descriptor))
    assert await meaning(node) == image.document.digest


async def test_another_publishers_name_is_not_taken_back(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    await node.images.resolve(APP)
    await node.holdings.unpublish(APP)
    assert await meaning(node) == image.document.digest
    await node.holdings.unpublish(Reference.parse("nobody:1"))


async def test_who_published_a_name_before_another_does_not_take_that_back(cluster, make_image):
    first, second = cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await first.add_image(old, "app:1")
    await asyncio.sleep(1)
    await second.add_image(new, "app:1")
    await asyncio.sleep(1)
    await first.holdings.unpublish(APP)
    assert await meaning(first) == await meaning(second) == new.document.digest
    await second.holdings.unpublish(APP)
    assert await meaning(second) is None


async def test_a_name_without_a_valid_signature_is_not_shared(cluster, make_image, caplog):
    node = cluster.add()
    image = make_image()
    await node.add(*image.blobs)
    row = node.holdings.name_row(APP, image.document.descriptor)
    await node.holdings.republish(replace(row, record=row.record[:-1] + bytes([row.record[-1] ^ 1])))
    await node.holdings.republish(replace(row, record=b"garbage"))
    assert await meaning(node) is None
    assert "no valid signature" in caplog.text


async def test_only_a_tag_can_be_published(cluster, make_image):
    image = make_image()
    with pytest.raises(ValueError, match="only a tag"):
        cluster.add().holdings.name_row(Reference.parse(f"app@{image.document.digest}"), image.document.descriptor)


async def test_a_row_says_what_its_record_says(cluster, make_image):
    node = cluster.add()
    row = node.holdings.name_row(APP, make_image().document.descriptor)
    assert row_of(NameRecord.unpack(row.record)) == row


async def test_name_of_a_private_image_is_shared_only_where_the_image_is(cluster, make_image, monkeypatch):
    node = cluster.add()
    image = make_image()
    node.store.add_origin(image.document.digest, "registry.corp/x", private=True)
    row = node.holdings.name_row(APP, image.document.descriptor, upstream=True)
    with monkeypatch.context() as without_secret:
        without_secret.setattr(node.holdings, "shares", lambda digest: not node.store.is_private(digest))
        await node.holdings.republish(row)
        assert await meaning(node) is None
    await node.holdings.republish(row)
    assert await meaning(node) == image.document.digest


async def test_what_a_registry_said_is_not_taken_back_with_the_image(cluster, make_image):
    node = cluster.add()
    image = make_image()
    row = node.holdings.name_row(APP, image.document.descriptor, upstream=True)
    node.store.set_name(row)
    await node.holdings.republish(row)
    await node.holdings.unpublish(APP)
    assert await meaning(node) == image.document.digest
