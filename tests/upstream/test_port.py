"""What every `Upstreams` does, over HTTP and in memory alike."""

import base64
import os

import pytest

from p2player.counters import Counters
from p2player.errors import (
    AccessDenied,
    BlobNotFound,
    LoginRequired,
    RateLimited,
    ReferenceNotFound,
    RepositoryNotFound,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_LAYER
from p2player.oci.reference import Repository
from p2player.upstream.memory import MemoryRegistry, MemoryUpstreams
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

NAME = "registry.test"
APP = Repository(NAME, "team/app")
OTHER = Repository(NAME, "team/other")
BLOB = os.urandom(300_000)
DIGEST = Digest.of(BLOB)


def basic(user, password):
    return Login("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


ALICE = basic("alice", "secret")
BOB = basic("bob", "hidden")
MALLORY = basic("mallory", "guess")


def an_image(config=b"{}"):
    return Document.of_image(
        Descriptor(OCI_CONFIG, Digest.of(config), len(config)), (Descriptor(OCI_LAYER, DIGEST, len(BLOB)),)
    )


IMAGE = an_image()


@pytest.fixture
def registry():
    registry = MemoryRegistry()
    registry.put(APP, BLOB)
    registry.put_document(APP, IMAGE, "1", "latest")
    return registry


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture(params=["memory", "basic", "token"])
async def upstreams(request, registry, counters, serve, ask):
    if request.param != "memory":
        server = await serve(registry, tokens=request.param == "token")
        yield ask(server.url, logins={NAME: ALICE}, counters=counters)
        return
    settings = UpstreamSettings(NAME, ("http://127.0.0.1:1",))
    upstreams = MemoryUpstreams(registry, settings, credentials={NAME: ALICE}, counters=counters)
    yield upstreams
    await upstreams.close()


async def read(upstreams, digest=DIGEST, kind="blobs", asker="anonymous", repository=APP, start=0, stop=None):
    async with upstreams.open(repository, digest, kind, asker, start=start, stop=stop) as blob:
        return blob.size, b"".join([chunk async for chunk in blob.chunks])


async def test_a_tag_means_its_document(upstreams):
    assert await upstreams.resolve(APP, "1", "anonymous") == IMAGE.descriptor
    assert await upstreams.resolve(APP, "1", "anonymous", known=IMAGE.digest) == IMAGE.descriptor


async def test_a_tag_that_moved_means_what_it_means_now(upstreams, registry):
    newer = an_image(b'{"new": 1}')
    registry.put_document(APP, newer, "1")
    assert await upstreams.resolve(APP, "1", "anonymous", known=IMAGE.digest) == newer.descriptor


@pytest.mark.parametrize("repository", [APP, OTHER])
async def test_a_tag_that_is_not_there_is_not_found(upstreams, repository):
    with pytest.raises(ReferenceNotFound, match="nosuch"):
        await upstreams.resolve(repository, "nosuch", "anonymous")


async def test_a_blob_and_a_manifest_come_whole(upstreams, counters):
    assert await read(upstreams) == (len(BLOB), BLOB)
    assert counters.bytes["upstream"] == len(BLOB)
    assert await read(upstreams, IMAGE.digest, "manifests") == (len(IMAGE.raw), IMAGE.raw)


@pytest.mark.parametrize("start", [1, 100_000, len(BLOB) - 1, len(BLOB)])
async def test_a_blob_comes_from_the_asked_byte_on(upstreams, start):
    assert await read(upstreams, start=start) == (len(BLOB), BLOB[start:])


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 100_000), (100_000, len(BLOB))])
async def test_no_more_of_a_blob_comes_than_up_to_the_asked_byte(upstreams, counters, start, stop):
    assert await read(upstreams, start=start, stop=stop) == (len(BLOB), BLOB[start:stop])
    assert counters.bytes["upstream"] == stop - start


async def test_a_manifest_comes_from_the_asked_byte_on(upstreams):
    assert await read(upstreams, IMAGE.digest, "manifests", start=7) == (len(IMAGE.raw), IMAGE.raw[7:])
    assert await read(upstreams, IMAGE.digest, "manifests", start=7, stop=9) == (len(IMAGE.raw), IMAGE.raw[7:9])


async def test_what_is_checked_is_not_opened(upstreams, registry):
    assert await upstreams.check(APP, DIGEST, "blobs", "anonymous") == len(BLOB)
    assert await upstreams.check(APP, IMAGE.digest, "manifests", "anonymous") == len(IMAGE.raw)
    assert await upstreams.check(APP, "1", "manifests", "anonymous") == len(IMAGE.raw)
    assert not registry.opened


@pytest.mark.parametrize(("kind", "error"), [("blobs", BlobNotFound), ("manifests", ReferenceNotFound)])
async def test_a_digest_that_is_not_there_is_not_found(upstreams, kind, error):
    missing = Digest.of(b"missing")
    with pytest.raises(error, match=str(missing)):
        await upstreams.check(APP, missing, kind, "anonymous")
    with pytest.raises(error, match=str(missing)):
        await read(upstreams, missing, kind)


async def test_a_blob_of_another_repository_is_not_found(upstreams, registry):
    registry.put(OTHER, b"other")
    with pytest.raises(BlobNotFound):
        await read(upstreams, repository=OTHER)


async def test_a_private_repository_wants_a_login_and_says_how(upstreams, registry):
    registry.make_private(APP, ALICE)
    for asker in ("anonymous", MALLORY):
        with pytest.raises(LoginRequired) as refused:
            await upstreams.check(APP, DIGEST, "blobs", asker)
        assert refused.value.challenge.startswith(("Basic ", "Bearer "))
        with pytest.raises(LoginRequired):
            await upstreams.resolve(APP, "1", asker)
        with pytest.raises(LoginRequired):
            await read(upstreams, asker=asker)
        with pytest.raises(LoginRequired):
            await upstreams.tags(APP, asker)


@pytest.mark.parametrize("asker", [ALICE, "node"])
async def test_a_good_login_opens_a_private_repository(upstreams, registry, asker):
    registry.make_private(APP, ALICE)
    assert await upstreams.resolve(APP, "1", asker) == IMAGE.descriptor
    assert await read(upstreams, asker=asker) == (len(BLOB), BLOB)
    assert await upstreams.tags(APP, asker) == ["1", "latest"]


async def test_a_login_for_something_else_is_denied(upstreams, registry):
    registry.make_private(APP, ALICE)
    registry.make_private(OTHER, BOB)
    with pytest.raises(AccessDenied):
        await upstreams.check(APP, DIGEST, "blobs", BOB)


async def test_no_error_tells_a_credential(upstreams, registry):
    registry.make_private(APP, ALICE)
    registry.make_private(OTHER, BOB)
    for asker in (MALLORY, BOB):
        with pytest.raises((LoginRequired, AccessDenied)) as refused:
            await upstreams.check(APP, DIGEST, "blobs", asker)
        assert asker.authorization.split()[1] not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(("fault", "error"), [("down", UpstreamUnreachable), ("rate limited", RateLimited)])
async def test_a_registry_that_cannot_be_asked_is_said_to_be_so(upstreams, registry, fault, error):
    registry.faults[NAME] = fault
    with pytest.raises(error, match=NAME):
        await upstreams.resolve(APP, "1", "anonymous")
    with pytest.raises(error, match=NAME):
        await read(upstreams)


async def test_a_registry_without_settings_is_not_asked(upstreams, registry):
    elsewhere = Repository("elsewhere.test:5000", "app")
    assert upstreams.settings(elsewhere.registry) is None
    with pytest.raises(UpstreamUnreachable, match="elsewhere"):
        await upstreams.resolve(elsewhere, "1", "anonymous")
    assert not registry.requests


async def test_it_knows_what_it_may_ask_and_as_whom(upstreams):
    assert upstreams.settings(NAME).registry == NAME
    assert upstreams.has_credentials(NAME)
    assert not upstreams.has_credentials("elsewhere.test")


async def test_a_stream_that_breaks_for_good_gives_what_came_and_an_error(upstreams, registry):
    registry.broken[DIGEST] = 100_000
    received = bytearray()

    async def receive():
        async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
            async for chunk in blob.chunks:
                received.extend(chunk)

    with pytest.raises(UpstreamUnreachable, match=NAME):
        await receive()
    assert received == BLOB[:100_000]


async def test_wrong_bytes_come_as_they_are_sent(upstreams, registry):
    registry.wrong[DIGEST] = bytes(len(BLOB))
    assert await read(upstreams) == (len(BLOB), bytes(len(BLOB)))


async def test_a_reader_may_leave_early(upstreams):
    async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
        async for _ in blob.chunks:
            break
    assert await read(upstreams) == (len(BLOB), BLOB)


async def test_all_tags_are_listed(upstreams, registry):
    names = [f"t{number:03}" for number in range(250)]
    registry.put_document(APP, IMAGE, *names)
    assert sorted(await upstreams.tags(APP, "anonymous")) == ["1", "latest", *names]


async def test_a_repository_that_is_not_there_has_no_tags(upstreams):
    with pytest.raises(RepositoryNotFound, match="team/other"):
        await upstreams.tags(OTHER, "anonymous")


async def test_a_digest_nobody_refers_to_has_no_referrers(upstreams):
    assert await upstreams.referrers(APP, IMAGE.digest, "anonymous") == []
