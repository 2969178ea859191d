import asyncio
from contextlib import aclosing

import pytest

from p2player.control.inspection import list_images
from p2player.control.seeding import seed
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference
from p2player.store.verify import Checked

NAME = "docker.io/library/app:1"


async def pull(client, target, platform):
    return [event async for event in client.pull(target, platform)]


@pytest.fixture
async def seeded(daemon, client, layout):
    root = daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    await seed(client, [layout(root, NAME)], None, lambda _: None)
    return root


async def test_a_whole_image_is_complete(client, seeded):
    (image,) = await client.images()
    sizes = [len(seeded.raw), *(child.size for child in seeded.children)]
    assert (image.name, image.digest, image.size, image.complete) == (NAME, seeded.digest, sum(sizes), True)


async def test_an_image_that_lost_a_layer_is_not(daemon, client, seeded):
    daemon.store.remove([Digest.of(b"layer")])
    (image,) = await client.images()
    assert not image.complete


async def test_an_image_of_which_only_the_name_is_known_is_not(daemon, client, seeded):
    daemon.store.remove([blob.digest for blob in daemon.store.blobs()])
    (image,) = await client.images()
    assert (image.size, image.complete) == (0, False)


async def test_an_index_is_complete_with_one_whole_platform(daemon, client):
    root = daemon.images.publish(NAME, {"linux/amd64": b"one", "linux/arm64": b"two"})
    await pull(client, NAME, "linux/arm64")
    daemon.store.set_name(daemon.holdings.name_row(Reference.parse(NAME), root.descriptor))
    assert [image.complete for image in list_images(daemon.store)] == [True]
    daemon.store.remove([Digest.of(b"two")])
    assert [image.complete for image in list_images(daemon.store)] == [False]


async def test_verify_finds_damage_and_withdraws_it(daemon, client, seeded):
    daemon.store.path(Digest.of(b"layer")).chmod(0o600)
    daemon.store.path(Digest.of(b"layer")).write_bytes(b"LAYER")
    found = {checked.digest: checked.ok async for checked in client.verify()}
    assert found == {blob: blob != Digest.of(b"layer") for blob in found}
    assert len(found) == 3
    assert Digest.of(b"layer") not in daemon.holdings.offered
    assert seeded.digest in daemon.holdings.offered


async def test_a_client_that_leaves_stops_the_hashing(daemon, client, monkeypatch, eventually):
    hashed = []

    def endless(progress):
        while True:
            progress(1)
            hashed.append(1)
            if len(hashed) == 3:
                yield Checked(Digest.of(b""), 0, ok=True)

    monkeypatch.setattr(daemon.store, "verify", endless)
    async with aclosing(client.verify()) as verifying:
        await anext(verifying)
        await eventually(lambda: len(hashed) > 100)

    async def is_still():
        before = len(hashed)
        await asyncio.to_thread(lambda: None)
        return len(hashed) == before

    async with asyncio.timeout(30):
        while not await is_still():
            pass
