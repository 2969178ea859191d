import asyncio

import pytest

from p2player.oci.reference import Reference

APP = Reference.parse("app:1")


async def test_what_is_here_is_explained_as_here_with_its_names(cluster, make_image):
    node = cluster.add()
    image = make_image()
    await node.add_image(image, "app:1")
    told = await node.images.why(APP)
    assert (told.target, told.digest, told.held) == (str(APP), image.document.digest, True)
    assert told.names == (str(APP),)
    assert "from the store" in told.verdict


async def test_what_others_have_is_explained_with_who_they_are(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    told = await node.images.why(blob.digest)
    (provider,) = told.providers
    assert (provider.node, provider.address) == (str(seed.identity.node_id), "10.0.0.1:7400")
    assert (provider.complete, provider.banned, provider.root) == (True, False, blob.metainfo.root.hex())
    assert provider.age_seconds >= 0
    assert "from 1 node" in told.verdict


async def test_those_who_still_fetch_it_are_told_apart(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.discovery.announce(blob.digest, len(blob.data), blob.metainfo.root, complete=False)
    assert "still fetching" in (await node.images.why(blob.digest)).verdict


async def test_liars_are_shown_as_banned(cluster, make_blob):
    liar, node = cluster.add(), cluster.add()
    blob = make_blob()
    await liar.add(blob.data)
    node.store.ban(liar.identity.node_id.raw, "lied")
    told = await node.images.why(blob.digest)
    assert [provider.banned for provider in told.providers] == [True]
    assert "wrong bytes before" in told.verdict


@pytest.mark.parametrize("by_name", [True, False])
async def test_what_nobody_has_is_explained_and_is_no_error(cluster, make_blob, by_name):
    told = await cluster.add().images.why(APP if by_name else make_blob().digest)
    assert not told.held
    assert told.providers == ()
    assert "would fail" in told.verdict


async def test_what_happened_lately_is_told(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    await node.read(blob.digest)
    await asyncio.sleep(1)
    assert [entry.what for entry in (await node.images.why(blob.digest)).history] == node.history(blob.digest)


async def test_a_digest_in_a_reference_needs_nobody_to_publish_it(cluster, make_image):
    node = cluster.add()
    image = make_image()
    await node.add(*image.blobs)
    pinned = Reference.parse(f"app@{image.document.digest}")
    assert (await node.images.why(pinned)).held
