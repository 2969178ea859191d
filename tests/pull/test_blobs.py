import asyncio

import pytest

from p2player.errors import (
    BlobNotFound,
    DigestMismatch,
    LoginRequired,
    ReferenceNotFound,
    TransferStalled,
    Unavailable,
    UpstreamUnreachable,
)
from p2player.oci.manifest import MAX_DOCUMENT
from p2player.oci.reference import Repository
from p2player.pull.chain.patience import GIVE_UP
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

APP = Repository.of("registry.test", "team/app")
OTHER = Repository.of("other.test", "mirror/of/app")
ELSEWHERE = Repository.of("nobody.test", "app")
ALICE, MALLORY = Login("Basic alice"), Login("Basic mallory")


@pytest.fixture
def registry(cluster):
    cluster.settings = [UpstreamSettings(place.registry, (f"https://{place.registry}",)) for place in (APP, OTHER)]
    return cluster.registry


@pytest.fixture
def image(registry, make_image):
    image = make_image()
    registry.put(APP, *image.blobs)
    registry.put_document(APP, image.document, "1")
    return image


@pytest.fixture
def private(registry, image):
    registry.make_private(APP, ALICE)
    return image


async def take(node, digest, repository=APP, asker="anonymous"):
    opened = await node.images.blob(digest, repository, asker)
    return b"".join([chunk async for chunk in opened.read(0, opened.size)])


async def test_by_digest_the_registry_is_not_asked_while_anybody_has_it(cluster, registry, image):
    first, second = cluster.add(), cluster.add()
    await take(first, image.layer)
    await asyncio.sleep(1)
    registry.requests.clear()
    await take(first, image.layer)
    await take(second, image.layer)
    assert not registry.requests
    assert second.counters.bytes["upstream"] == 0


async def test_who_answers_late_is_found_where_the_registry_does_not(cluster, registry, image):
    seed, node = cluster.add(), cluster.add()
    registry.faults[APP.registry] = "down"
    taking = asyncio.gather(take(node, image.layer))
    await asyncio.sleep(0.2)
    await seed.add_image(image, "app:1")
    (taken,) = await taking
    assert image.layer.matches(taken)


async def test_what_nobody_has_fails_as_the_registry_does(cluster, registry, image):
    registry.faults[APP.registry] = "down"
    with pytest.raises(Unavailable):
        await take(cluster.add(), image.layer)


@pytest.mark.parametrize("is_by_tag", [True, False])
async def test_the_manifest_that_a_name_means_is_looked_for_longer(cluster, make_image, is_by_tag):
    seed, node, image = cluster.add(), cluster.add(), make_image()
    await seed.add_image(image, "nobody.test/app:1")
    await seed.discovery.withdraw(image.document.digest)
    reading = asyncio.gather(node.images.manifest(ELSEWHERE, "1" if is_by_tag else image.document.digest))
    await asyncio.sleep(4.0)
    await seed.discovery.announce(image.document.digest, len(image.document.raw), b"", complete=True)
    if is_by_tag:
        assert [found.document for found in await reading] == [image.document]
    else:
        with pytest.raises(ReferenceNotFound):
            await reading


async def test_what_a_manifest_says_of_a_layer_saves_asking_the_registry_for_its_size(cluster, registry, image):
    node = cluster.add()
    await node.images.manifest(APP, "1")
    await take(node, image.layer)
    assert registry.opened[image.layer] == 1
    assert registry.requests[str(image.layer)] == 1


async def test_liars_about_the_size_are_passed_over_where_the_manifest_says_it(cluster, registry, image, make_blob):
    seed, node = cluster.add(), cluster.add()
    liars = [cluster.add(), cluster.add()]
    await take(seed, image.layer)
    await asyncio.sleep(1)
    for liar in liars:
        await liar.lie(image.layer, make_blob(1_100_000).data)
    await node.images.manifest(APP, "1")
    registry.requests.clear()
    assert await take(node, image.layer) == image.blobs[0]
    assert not registry.requests
    await asyncio.sleep(1)
    assert node.store.bans() == {liar.identity.node_id.raw for liar in liars}


@pytest.mark.parametrize("count", [1, 2])
async def test_who_has_nothing_and_lies_about_the_size_does_not_keep_anybody_from_the_registry(
    cluster, registry, image, count
):
    liars, node = [cluster.add() for _ in range(count)], cluster.add()
    for liar in liars:
        await liar.discovery.announce(image.layer, 1_100_000, b"g" * 32, complete=True)
    await node.images.manifest(APP, "1")
    assert await take(node, image.layer) == image.blobs[0]
    await asyncio.sleep(1)
    assert node.store.bans() == {liar.identity.node_id.raw for liar in liars}


@pytest.mark.parametrize("count", [1, 2])
async def test_where_no_manifest_was_read_such_a_lie_fails_one_pull_and_not_the_next(cluster, registry, image, count):
    liars, node = [cluster.add() for _ in range(count)], cluster.add()
    for liar in liars:
        await liar.discovery.announce(image.layer, 1_100_000, b"g" * 32, complete=True)
    with pytest.raises(DigestMismatch, match="ask again"):
        await take(node, image.layer)
    await asyncio.sleep(5)
    assert await take(node, image.layer) == image.blobs[0]


@pytest.mark.parametrize("size", [1_000_000, 2 * MAX_DOCUMENT])
async def test_who_lies_about_the_size_of_a_manifest_does_not_keep_anybody_from_it(cluster, registry, image, size):
    liar, node = cluster.add(), cluster.add()
    await liar.discovery.announce(image.document.digest, size, b"g" * 32, complete=True)
    assert (await node.images.manifest(APP, "1")).document == image.document


async def test_what_a_node_that_fetches_it_says_of_the_size_does_not_count_where_the_registry_can_be_asked(
    cluster, registry, image
):
    liar, node = cluster.add(), cluster.add()
    await liar.discovery.announce(image.layer, 77, b"", complete=False)
    assert await take(node, image.layer) == image.blobs[0]


async def test_while_the_registry_cannot_be_asked_those_who_fetch_it_are_believed_about_the_size(
    cluster, registry, image
):
    other, node = cluster.add(), cluster.add()
    await other.discovery.announce(image.layer, len(image.blobs[0]), b"", complete=False)
    registry.faults[APP.registry] = "down"
    assert (await node.images.blob(image.layer, APP)).size == len(image.blobs[0])


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("at", [0, 300_000])
async def test_a_registry_that_says_nothing_to_anybody_holds_nobody_up_for_longer_than_a_runtime_waits(
    cluster, registry, image, at, count, monkeypatch
):
    monkeypatch.setattr("p2player.upstream.memory.PATIENCE", 40.0)  # as long as a stream is taken up in vain
    registry.rate = 500_000
    registry.stalled[image.layer] = at

    async def give_up(node, after):
        await asyncio.sleep(after)
        began = asyncio.get_running_loop().time()
        with pytest.raises(TransferStalled, match="from its registry"):
            await take(node, image.layer)
        return asyncio.get_running_loop().time() - began

    nodes = [cluster.add() for _ in range(count)]
    seconds = await asyncio.gather(*(give_up(node, number / 10) for number, node in enumerate(nodes)))
    # Who has waited for its turn may get the last bytes there are, and waits for more once again.
    assert max(seconds) < 2 * GIVE_UP


async def test_one_and_the_same_blob_under_two_registries_is_fetched_and_kept_once(cluster, registry, image):
    registry.put(OTHER, *image.blobs)
    node = cluster.add()
    taken = await asyncio.gather(*(take(node, image.layer, place) for place in (APP, OTHER, APP)))
    assert taken == [image.blobs[0]] * 3
    assert registry.opened[image.layer] == 1


async def test_what_is_not_in_the_repository_is_not_found_and_what_cannot_be_asked_for_is_unavailable(
    cluster, registry, make_blob
):
    node = cluster.add()
    with pytest.raises(BlobNotFound):
        await take(node, make_blob().digest)
    with pytest.raises(BlobNotFound):
        await take(node, make_blob().digest, ELSEWHERE)
    registry.faults[APP.registry] = "down"
    with pytest.raises(UpstreamUnreachable):
        await take(node, make_blob(seed=2).digest)


async def test_a_private_blob_is_fetched_only_for_who_may_have_it(cluster, registry, private):
    node = cluster.add()
    for asker in ("anonymous", MALLORY):
        with pytest.raises(LoginRequired):
            await take(node, private.layer, asker=asker)
    assert not registry.opened
    assert await take(node, private.layer, asker=ALICE) == private.blobs[0]


async def test_a_private_blob_that_is_here_is_given_only_to_who_may_have_it(cluster, registry, private):
    node = cluster.add()
    await take(node, private.layer, asker=ALICE)
    for asker in ("anonymous", MALLORY):
        with pytest.raises(LoginRequired):
            await take(node, private.layer, asker=asker)
    assert await take(node, private.layer, asker=ALICE) == private.blobs[0]
    assert registry.opened[private.layer] == 1


async def test_a_private_blob_of_another_node_is_given_only_to_who_may_have_it(cluster, registry, private):
    first, second = cluster.add(), cluster.add()
    await take(first, private.layer, asker=ALICE)
    await asyncio.sleep(1)
    with pytest.raises(LoginRequired):
        await take(second, private.layer)
    assert second.store.blobs() == []
    assert await take(second, private.layer, asker=ALICE) == private.blobs[0]
    assert registry.opened[private.layer] == 1
    with pytest.raises(LoginRequired):
        await take(second, private.layer)


async def test_nobody_joins_the_fetch_of_a_private_blob_who_may_not_have_it(cluster, registry, private):
    registry.rate = 100_000
    node = cluster.add()
    fetching = asyncio.gather(take(node, private.layer, asker=ALICE))
    await asyncio.sleep(1)
    with pytest.raises(LoginRequired):
        await take(node, private.layer)
    assert await fetching == [private.blobs[0]]


async def test_a_private_blob_is_not_had_under_another_name(cluster, registry, private):
    node = cluster.add()
    await take(node, private.layer, asker=ALICE)
    with pytest.raises(BlobNotFound):
        await take(node, private.layer, OTHER)


async def test_what_everybody_has_stays_open_when_a_private_image_contains_it(cluster, registry, image, make_image):
    node, seed = cluster.add(), cluster.add()
    await seed.add(image.blobs[0])
    await take(node, image.layer, ELSEWHERE)
    await asyncio.sleep(1)
    registry.make_private(APP, ALICE)
    await node.images.manifest(APP, image.document.digest, ALICE)
    assert await take(node, image.layer, ELSEWHERE) == image.blobs[0]
