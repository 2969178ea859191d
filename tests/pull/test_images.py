import asyncio

import pytest

from p2player.errors import BlobNotFound, InvalidManifest, NotFound, ReferenceNotFound, RepositoryNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference, Repository
from p2player.pull.events import PullResult
from p2player.upstream.settings import UpstreamSettings

APP = Reference.parse("app:1")
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


async def pull(node, target, platform=None):
    """Pull target and return the result, the last thing that is told."""
    told = [event async for event in node.images.pull(target, platform)]
    assert isinstance(told[-1], PullResult)
    assert not any(isinstance(event, PullResult) for event in told[:-1])
    return told[-1]


async def test_an_image_is_pulled_whole_by_its_tag(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    result = await pull(node, APP)
    assert (result.root, result.name) == (image.document.digest, str(APP))
    assert result.documents == (image.document.digest,)
    assert set(result.blobs) == {child.digest for child in image.document.children}
    assert {blob.digest for blob in node.store.blobs()} == {Digest.of(data) for data in image.blobs}
    assert node.store.name(str(APP.repository), "1").descriptor.digest == image.document.digest


async def test_an_image_is_pulled_whole_by_its_digest(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    result = await pull(node, image.document.digest)
    assert (result.root, result.name) == (image.document.digest, None)
    assert len(node.store.blobs()) == 3
    assert node.store.names() == [], "a digest gives no name"


async def test_a_tag_with_a_digest_is_what_the_digest_says(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    old, new = make_image(1), make_image(2)
    await seed.add_image(old, "app:1")
    await seed.add_image(new, "app:1")
    pinned = Reference.parse(f"app:1@{old.document.digest}")
    assert (await node.images.resolve(pinned)).digest == old.document.digest
    assert (await node.images.resolve(APP)).digest == new.document.digest


async def test_a_pulled_image_is_served_on_when_its_seed_is_gone(cluster, make_image):
    seed, node, third = cluster.add(), cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    await pull(node, APP)
    await asyncio.sleep(1)
    cluster.peers.dead.add(seed.host)
    with cluster.net.holding_back(seed.address):
        assert (await pull(third, APP)).root == image.document.digest


async def test_of_an_index_one_platform_or_all_that_there_are_is_pulled(cluster, make_image, make_index):
    seed, node, other = cluster.add(), cluster.add(), cluster.add()
    amd, arm = make_image(1), make_image(2, architecture="arm64")
    index = make_index(amd64=amd.document, arm64=arm.document)
    await seed.add(*amd.blobs, *arm.blobs, index.raw, name="app:1", root=index)
    one = await pull(node, APP, AMD64)
    assert one.documents == (index.digest, amd.document.digest)
    assert node.store.get(arm.layer) is None
    both = await pull(other, APP)
    assert both.documents == (index.digest, amd.document.digest, arm.document.digest)
    assert len(other.store.blobs()) == 7


async def test_an_index_may_be_sparse_but_a_platform_that_is_asked_for_has_to_be_there(cluster, make_image, make_index):
    seed, node = cluster.add(), cluster.add()
    amd, absent = make_image(1), make_image(2, architecture="arm64")
    index = make_index(amd64=amd.document, arm64=absent.document)
    await seed.add(*amd.blobs, index.raw, name="app:1", root=index)
    result = await pull(node, APP)
    assert result.documents == (index.digest, amd.document.digest)
    with pytest.raises(ReferenceNotFound):
        await pull(node, APP, ARM64)


async def test_a_plain_blob_is_pulled_by_its_digest(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    assert await pull(node, blob.digest) == PullResult(blob.digest, None, (), (blob.digest,))
    assert node.store.path(blob.digest).read_bytes() == blob.data


async def test_what_nobody_has_is_not_found_in_the_terms_it_was_asked_in(cluster, make_blob):
    node = cluster.add()
    digest = make_blob().digest
    with pytest.raises(BlobNotFound):
        await node.images.blob(digest)
    with pytest.raises(ReferenceNotFound):
        await node.images.manifest(APP.repository, digest)
    with pytest.raises(ReferenceNotFound):
        await node.images.manifest(APP.repository, "1")
    with pytest.raises(RepositoryNotFound):
        await node.images.tags(APP.repository)
    with pytest.raises(NotFound):
        await pull(node, digest)


async def test_a_tag_whose_manifest_is_gone_says_so_and_is_not_kept(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    await seed.holdings.drop(seed.store.blobs())
    with pytest.raises(ReferenceNotFound, match="no node announces"):
        await node.images.resolve(APP)
    assert node.store.names() == []


async def test_a_removed_blob_is_found_no_longer(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    stored = seed.store.get(blob.digest)
    seed.store.remove([blob.digest])
    await seed.holdings.drop([stored])
    with pytest.raises(BlobNotFound):
        await node.images.blob(blob.digest)


async def test_a_blob_is_no_manifest(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    small, large = make_blob(100), make_blob(MAX_DOCUMENT + 1)
    await seed.add(small.data, large.data)
    for blob in (small, large):
        with pytest.raises(InvalidManifest):
            await node.images.document(blob.digest)
    assert node.store.get(large.digest) is None, "it was not even fetched"


async def test_a_manifest_is_fetched_over_the_peer_interface_and_kept(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    image = make_image()
    await seed.add_image(image, "app:1")
    assert (await node.images.manifest(APP.repository, "1")).document == image.document
    cluster.peers.dead.add(seed.host)
    assert (await node.images.manifest(APP.repository, image.document.digest)).document == image.document


async def test_tags_of_everybody_are_listed(cluster, make_image):
    seed, node = cluster.add(), cluster.add()
    await seed.add_image(make_image(1), "app:1")
    await seed.add_image(make_image(2), "app:2")
    assert await node.images.tags(Repository.parse("app")) == ["1", "2"]


async def test_what_is_said_about_an_image_is_found_here_and_elsewhere(cluster, make_image):
    seed, signer, node = cluster.add(), cluster.add(), cluster.add()
    image = make_image(1)
    here, elsewhere = make_image(2, subject=image.document), make_image(3, subject=image.document)
    await seed.add_image(image, "app:1")
    await signer.add(*elsewhere.blobs)
    await node.add(*here.blobs)
    listed = await node.images.referrers(image.document.digest)
    assert [entry.digest for entry in listed] == sorted([here.document.digest, elsewhere.document.digest])
    assert {entry.artifact_type for entry in listed} == {"application/vnd.example.note"}
    assert await node.images.referrers(here.document.digest) == []


async def test_a_referrer_whose_publisher_is_gone_or_that_speaks_of_something_else_is_left_out(cluster, make_image):
    signer, node = cluster.add(), cluster.add()
    image, other = make_image(1), make_image(2)
    note = make_image(3, subject=image.document)
    await signer.add(*note.blobs)
    cluster.records.names[f"referrers:{other.document.digest}"] = cluster.records.names[
        f"referrers:{image.document.digest}"
    ]
    assert len(await node.images.referrers(image.document.digest)) == 1
    assert await node.images.referrers(other.document.digest) == []
    late = cluster.add()
    cluster.peers.dead.update({signer.host, node.host})
    assert await late.images.referrers(image.document.digest) == []


async def test_a_torrent_is_fetched_from_peers_named_by_hand(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    cluster.records.providers.clear()
    told = [event async for event in node.images.fetch_known(blob.metainfo, [seed.address])]
    assert told[-1] == PullResult(blob.digest, None, (), (blob.digest,))
    assert node.store.path(blob.digest).read_bytes() == blob.data
    again = [event async for event in node.images.fetch_known(blob.metainfo, [])]
    assert again[-1] == told[-1], "what is here is not fetched again"


async def test_referrers_of_its_registry_are_listed_beside_those_of_the_cluster(cluster, make_image):
    place = Repository.of("registry.test", "team/app")
    cluster.settings = [UpstreamSettings(place.registry, ("https://registry.test",))]
    image = make_image()
    upstream, seeded = make_image(1, subject=image.document), make_image(2, subject=image.document)
    cluster.registry.put_document(place, upstream.document)
    seed, node = cluster.add(), cluster.add()
    await seed.add(*seeded.blobs)
    both = {upstream.document.digest, seeded.document.digest}
    assert {it.digest for it in await node.images.referrers(image.document.digest, place)} == both
    cluster.registry.faults[place.registry] = "down"
    listed = await node.images.referrers(image.document.digest, place)
    assert [it.digest for it in listed] == [seeded.document.digest]
