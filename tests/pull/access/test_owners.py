import asyncio

import pytest

from p2player.oci.digest import Digest
from p2player.pull.access.owners import Owners

R = "registry.corp/team/x"


@pytest.fixture
async def owned(cluster):
    node = cluster.add()
    owners = Owners(node.store, node.holdings)
    yield node, owners
    await owners.close()


async def announced(cluster, digest):
    await asyncio.sleep(1)
    return [record.private for record in await cluster.nodes[1].discovery.find(digest)]


async def test_change_of_what_is_held_is_announced(cluster, owned):
    node, owners = owned
    cluster.add()
    await node.add(b"shared")
    digest = Digest.of(b"other")
    node.store.put(digest, b"other")
    await node.holdings.announce(node.store.blobs())
    await owners.add(digest, R, private=True)
    assert await announced(cluster, digest) == [True]
    await owners.add(digest, "docker.io/library/x", private=False)
    assert await announced(cluster, digest) == [False]
    assert await announced(cluster, Digest.of(b"shared")) == [False]


async def test_what_is_not_held_is_noted_and_not_announced(cluster, owned):
    node, owners = owned
    cluster.add()
    digest = Digest.of(b"to come")
    await owners.add(digest, R, private=True)
    assert node.store.origins(digest) == [(R, True)]
    assert await announced(cluster, digest) == []


async def test_what_must_stay_on_this_node_is_withdrawn(cluster, owned, monkeypatch):
    node, owners = owned
    cluster.add()
    digest = Digest.of(b"other")
    node.store.put(digest, b"other")
    await node.holdings.announce(node.store.blobs())
    monkeypatch.setattr(node.holdings, "shares", lambda digest: not node.store.is_private(digest))
    await owners.add(digest, R, private=True)
    assert await announced(cluster, digest) == []
    await owners.add(digest, R, private=False)
    assert await announced(cluster, digest) == [False]
