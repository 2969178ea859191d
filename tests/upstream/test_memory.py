import asyncio

import pytest

from p2player.errors import BlobNotFound, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.upstream.memory import PATIENCE, MemoryRegistry, MemoryUpstreams
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

NAME = "registry.test"
APP = Repository(NAME, "app")
BLOB = bytes(200_000)
DIGEST = Digest.of(BLOB)


@pytest.fixture
def registry():
    registry = MemoryRegistry()
    registry.put(APP, BLOB)
    return registry


@pytest.fixture
def upstreams(registry):
    return MemoryUpstreams(registry, UpstreamSettings(NAME, ("https://registry.test",)))


def now():
    return asyncio.get_running_loop().time()


async def read(upstreams, received, on_chunk=lambda: None):
    async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
        async for chunk in blob.chunks:
            received += chunk
            on_chunk()


async def test_a_registry_that_hangs_is_given_up_in_time(registry, upstreams):
    registry.faults[NAME] = "hang"
    with pytest.raises(UpstreamUnreachable):
        await upstreams.check(APP, DIGEST, "blobs", "anonymous")
    assert now() == PATIENCE


async def test_a_stream_that_stalls_is_given_up_in_time(registry, upstreams):
    registry.stalled[DIGEST] = 1000
    received = bytearray()
    with pytest.raises(UpstreamUnreachable):
        await read(upstreams, received)
    assert (len(received), now()) == (1000, PATIENCE)


async def test_a_stream_breaks_when_its_registry_goes_down(registry, upstreams):
    received = bytearray()
    with pytest.raises(UpstreamUnreachable):
        await read(upstreams, received, lambda: registry.faults.update({NAME: "down"}))
    assert 0 < len(received) < len(BLOB)


async def test_answers_take_the_latency_and_the_rate_they_are_given(registry, upstreams):
    registry.latency, registry.rate = 1.0, 100_000
    await read(upstreams, bytearray())
    assert now() == pytest.approx(3.0)


async def test_it_counts_what_is_asked_and_what_is_sent(registry, upstreams):
    await upstreams.check(APP, DIGEST, "blobs", "anonymous")
    await read(upstreams, bytearray())
    assert (registry.requests[str(DIGEST)], registry.opened[DIGEST], registry.sent[DIGEST]) == (2, 1, len(BLOB))
    assert registry.askers == ["anonymous", "anonymous"]


async def test_what_was_removed_or_opened_to_everybody_is_so_at_once(registry, upstreams):
    registry.make_private(APP, Login("Basic eDp5"))
    registry.make_public(APP)
    await upstreams.check(APP, DIGEST, "blobs", "anonymous")
    registry.remove(APP, DIGEST)
    with pytest.raises(BlobNotFound):
        await upstreams.check(APP, DIGEST, "blobs", "anonymous")
