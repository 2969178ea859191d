import random

import pytest

from p2player.errors import BlobNotFound, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.pull.integrity.proof import has_same
from p2player.upstream.settings import UpstreamSettings

R = Repository("other.example", "x")
LAYER = random.Random(1).randbytes(1_000_000)


@pytest.fixture
def asked(cluster):
    """Return whether R has shown that it has data."""
    cluster.settings.append(UpstreamSettings("other.example", ()))
    node = cluster.add()

    async def ask(data, *, held=True):
        digest = Digest.of(data)
        if held:
            node.store.put(digest, data)
        return await has_same(node.upstreams, node.store, R, digest, "blobs", "anonymous")

    return ask


@pytest.mark.parametrize("data", [LAYER, b"ab", LAYER[:65536], bytes(100) + b"x"], ids=len)
async def test_registry_that_has_it_shows_so(cluster, asked, data):
    cluster.registry.put(R, data)
    assert await asked(data)


@pytest.mark.parametrize("wrong", [bytes(len(LAYER)), LAYER[::-1], b""], ids=len)
async def test_registry_that_has_something_else_does_not(cluster, asked, wrong):
    cluster.registry.put(R, LAYER)
    cluster.registry.wrong[Digest.of(LAYER)] = wrong
    assert not await asked(LAYER)


async def test_registry_that_has_nothing_says_so(asked):
    with pytest.raises(BlobNotFound):
        await asked(LAYER)


async def test_what_anybody_could_guess_proves_nothing(cluster, asked):
    cluster.registry.put(R, bytes(500_000))
    assert not await asked(bytes(500_000))


async def test_what_is_not_here_cannot_be_compared(cluster, asked):
    cluster.registry.put(R, LAYER)
    assert not await asked(LAYER, held=False)
    assert not cluster.registry.opened


async def test_registry_that_cannot_be_asked_proves_nothing(cluster, asked):
    cluster.registry.put(R, LAYER)
    cluster.registry.faults["other.example"] = "down"
    with pytest.raises(UpstreamUnreachable):
        await asked(LAYER)


async def test_registry_that_stops_midway_proves_nothing(cluster, asked):
    cluster.registry.put(R, LAYER)
    cluster.registry.stalled[Digest.of(LAYER)] = 0
    with pytest.raises(UpstreamUnreachable):
        await asked(LAYER)
