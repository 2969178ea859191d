"""What comes of access, names and flights together, for images that not everybody may have."""

import asyncio

import pytest

from p2player.errors import BlobNotFound, LoginRequired, NotAllowed, Unavailable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

CLOSED = Repository("registry.corp", "team/app")
OPEN = Repository("registry.corp", "open/app")
GOOD, BAD = Login("Basic Z29vZA=="), Login("Basic YmFk")


@pytest.fixture
def put(cluster):
    """Put images into repositories of a registry that all nodes may ask; one of them requires a login."""
    cluster.settings.append(UpstreamSettings("registry.corp", ()))
    cluster.registry.make_private(CLOSED, GOOD)

    def run(repository, image, tag="1"):
        cluster.registry.put(repository, *image.blobs)
        cluster.registry.put_document(repository, image.document, tag)
        return [Digest.of(data) for data in image.blobs]

    return run


async def pull(node, repository, target, asker):
    """Pull as a runtime does, and return how many bytes came."""
    found = await node.images.manifest(repository, target, asker)
    count = len(found.document.raw)
    for child in found.document.children:
        blob = await node.images.blob(child.digest, repository, asker)
        async for chunk in blob.read(0, blob.size):
            count += len(chunk)
    await asyncio.sleep(1)
    return count


async def test_who_may_not_log_in_gets_nothing_though_all_is_here(cluster, put, make_image):
    digests = put(CLOSED, image := make_image())
    node = cluster.add()
    assert await pull(node, CLOSED, "1", GOOD) == sum(map(len, image.blobs))
    for asker in (BAD, "anonymous", "node"):
        for target in ("1", image.document.digest):
            with pytest.raises(LoginRequired):
                await node.images.manifest(CLOSED, target, asker)
        for digest in digests:
            with pytest.raises(LoginRequired):
                await node.images.blob(digest, CLOSED, asker)
    assert await pull(node, CLOSED, image.document.digest, GOOD)
    assert cluster.registry.sent.total() == sum(map(len, image.blobs))


@pytest.mark.parametrize("other", [OPEN, Repository("elsewhere.example", "x"), Repository("docker.io", "library/x")])
async def test_knowing_a_digest_is_not_enough_under_any_other_name(cluster, put, make_image, other):
    digests = put(CLOSED, make_image())
    node, second = cluster.add(), cluster.add()
    await pull(node, CLOSED, "1", GOOD)
    for asked in (node, second):
        for digest in digests:
            with pytest.raises((BlobNotFound, NotAllowed)):
                await asked.images.blob(digest, other, "anonymous")


async def test_another_node_gives_it_to_who_may_have_it_from_the_cluster(cluster, put, make_image):
    digests = put(CLOSED, make_image())
    node, second = cluster.add(), cluster.add()
    size = await pull(node, CLOSED, "1", GOOD)
    with pytest.raises(LoginRequired):
        await second.images.blob(digests[0], CLOSED, "anonymous")
    assert await pull(second, CLOSED, "1", GOOD) == size
    assert cluster.registry.sent.total() == size
    assert all(second.store.is_private(digest) for digest in digests)
    for other in (node, second):
        found = [await other.discovery.find(digest) for digest in digests]
        assert all(record.private for records in found for record in records)
        assert all(found)


async def test_pull_by_digest_alone_makes_private_all_the_same(cluster, put, make_image):
    digests = put(CLOSED, image := make_image())
    node = cluster.add()
    await pull(node, CLOSED, image.document.digest, GOOD)
    assert all(node.store.is_private(digest) for digest in digests)


async def test_layer_of_an_open_image_stays_open_when_a_private_one_shares_it(cluster, put, make_image):
    shared = make_image()
    put(OPEN, shared)
    put(CLOSED, shared)
    node = cluster.add()
    await pull(node, OPEN, "1", "anonymous")
    await pull(node, CLOSED, "1", GOOD)
    before = len(cluster.registry.askers)
    await pull(node, OPEN, "1", "anonymous")
    assert not any(node.store.is_private(Digest.of(data)) for data in shared.blobs)
    assert len(cluster.registry.askers) == before


async def test_layer_of_a_private_image_is_opened_by_an_open_one_that_shares_it(cluster, put, make_image):
    shared = make_image()
    digests = put(OPEN, shared)
    put(CLOSED, shared)
    node, second = cluster.add(), cluster.add()
    await pull(node, CLOSED, "1", GOOD)
    assert await pull(second, OPEN, "1", "anonymous") == sum(map(len, shared.blobs))
    assert not any(second.store.is_private(digest) for digest in digests)
    assert await pull(node, OPEN, "1", "anonymous")
    records = await second.discovery.find(digests[0])
    assert [record.private for record in records] == [False]
    assert cluster.registry.sent.total() == sum(map(len, shared.blobs))


async def test_registry_that_is_down_lets_in_nobody_new(cluster, put, make_image):
    put(CLOSED, make_image())
    node = cluster.add()
    await pull(node, CLOSED, "1", GOOD)
    cluster.registry.faults["registry.corp"] = "down"
    assert await pull(node, CLOSED, "1", GOOD)
    for asker in (BAD, "anonymous"):
        with pytest.raises(Unavailable):
            await pull(node, CLOSED, "1", asker)
    await asyncio.sleep(1000)
    with pytest.raises(Unavailable):
        await pull(node, CLOSED, "1", GOOD)


async def test_privacy_is_still_known_after_a_restart(cluster, put, make_image):
    digests = put(CLOSED, make_image())
    node = cluster.add()
    await pull(node, CLOSED, "1", GOOD)
    await node.restart()
    for digest in digests:
        with pytest.raises(LoginRequired):
            await node.images.blob(digest, CLOSED, "anonymous")


async def test_seeded_image_asks_nobody(cluster, put, make_image):
    image = make_image()
    seed, node = cluster.add(), cluster.add()
    await seed.add_image(image, f"{CLOSED}:mine")
    cluster.registry.faults["registry.corp"] = "down"
    assert await pull(node, CLOSED, "mine", "anonymous")


async def test_what_is_said_of_an_image_is_told_to_who_may_have_it(cluster, put, make_image):
    put(CLOSED, image := make_image())
    put(CLOSED, make_image(2, subject=image.document), "note")
    node, second = cluster.add(), cluster.add()
    await pull(node, CLOSED, "note", GOOD)
    for asked in (node, second):
        for repository in (CLOSED, OPEN):
            assert await asked.images.referrers(image.document.digest, repository, "anonymous") == []
        (told,) = await asked.images.referrers(image.document.digest, CLOSED, GOOD)
        assert told.digest == make_image(2, subject=image.document).document.digest
