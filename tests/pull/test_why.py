import asyncio

import pytest

from p2player.oci.reference import Reference
from p2player.pull.why import TagView
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

APP = Reference.parse("app:1")
HUB = UpstreamSettings("docker.io", ())


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
    (provider,) = told.providers
    (ban,) = node.store.banned()
    assert (provider.banned, provider.ban_reason, provider.banned_at) == (True, "lied", ban.at)
    assert "lied before" in told.verdict
    node.store.unban(liar.identity.node_id.raw)
    told = await node.images.why(blob.digest)
    assert [provider.banned for provider in told.providers] == [False]
    assert "from 1 node" in told.verdict


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


async def test_what_only_a_registry_has_would_come_from_there(cluster, make_image):
    cluster.settings.append(HUB)
    digest = cluster.registry.put_document(APP.repository, make_image().document, "1")
    node = cluster.add()
    told = await node.images.why(APP)
    assert (told.digest, told.held) == (digest, False)
    assert "from its registry, docker.io" in told.verdict
    assert told.tag == TagView(seeded=False, confirmed=pytest.approx(cluster.now_ms() / 1000), stale_for=None)
    assert "from its registry" in (await node.images.why(Reference.parse(f"app@{digest}"))).verdict
    assert "would fail" in (await node.images.why(digest)).verdict


async def test_a_node_that_has_it_comes_before_the_registry(cluster, make_image):
    cluster.settings.append(HUB)
    cluster.registry.put_document(APP.repository, make_image().document, "1")
    seed, node = cluster.add(), cluster.add()
    await seed.add_image(make_image(), "other:1")
    assert "from 1 node" in (await node.images.why(APP)).verdict


async def test_a_stale_tag_is_told_with_its_age(cluster, make_image):
    cluster.settings.append(HUB)
    cluster.registry.put_document(APP.repository, make_image().document, "1")
    node = cluster.add()
    before = (await node.images.why(APP)).tag
    await asyncio.sleep(1000)
    cluster.registry.faults["docker.io"] = "down"
    tag = (await node.images.why(APP)).tag
    assert tag == TagView(seeded=False, confirmed=before.confirmed, stale_for=pytest.approx(1000))


async def test_a_seeded_tag_is_told_as_one(cluster, make_image):
    cluster.settings.append(HUB)
    node = cluster.add()
    await node.add_image(make_image(), "app:1")
    assert (await node.images.why(APP)).tag == TagView(seeded=True, confirmed=None, stale_for=None)


async def test_what_is_private_is_told_as_such_here_and_elsewhere(cluster, make_image):
    image = make_image()
    seed, node = cluster.add(), cluster.add()
    seed.store.add_origin(image.document.digest, "registry.corp/x", private=True)
    seed.store.put(image.document.digest, image.document.raw)
    await seed.holdings.announce(seed.store.blobs())
    told = await seed.images.why(image.document.digest)
    assert (told.private, told.repositories) == (True, ("registry.corp/x",))
    elsewhere = await node.images.why(image.document.digest)
    assert (elsewhere.private, elsewhere.repositories) == (True, ())


async def test_a_tag_that_needs_a_login_or_a_registry_that_is_down_is_explained(cluster, make_image):
    cluster.settings.append(HUB)
    cluster.registry.put_document(APP.repository, make_image().document, "1")
    cluster.registry.make_private(APP.repository, Login("Basic Z29vZA=="))
    told = await cluster.add().images.why(APP)
    assert told.digest is None
    assert "a login" in told.verdict
    cluster.registry.faults["docker.io"] = "down"
    assert "does not answer" in (await cluster.add().images.why(APP)).verdict
