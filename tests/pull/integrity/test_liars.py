"""Who is banned after a fetch, and who is not."""

import pytest

from p2player.errors import BlobNotFound, TransferStalled
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.swarm.metainfo import Metainfo
from tests.pull.fetch.flying import fly


async def test_a_lying_root_never_enters_the_store_and_the_true_claim_is_used(cluster, make_blob):
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    for liar in liars:
        await liar.lie(blob.digest, lie.data)
    await honest.add(blob.data)
    seen = await node.parts.search.look(blob.digest, LIKELY_ENOUGH)
    assert seen.claims[0].metainfo.root == lie.metainfo.root, "the lie is the likelier claim"
    assert (await fly(node, blob.digest, seen)).root == blob.metainfo.root
    assert node.store.path(blob.digest).read_bytes() == blob.data
    assert node.store.bans() == {liar.identity.node_id.raw for liar in liars}
    assert node.staged() == []


@pytest.mark.usefixtures("either_way")
async def test_a_lie_alone_ends_in_an_error_and_nothing_is_kept(cluster, make_blob):
    liar, node = cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    await liar.lie(blob.digest, lie.data)
    with pytest.raises(TransferStalled, match="something else"):
        await fly(node, blob.digest, await node.parts.search.look(blob.digest, LIKELY_ENOUGH))
    assert node.store.blobs() == []
    assert node.staged() == []
    assert not node.store.path(blob.digest).exists()
    assert node.swarms.served == frozenset()
    assert await liar.discovery.find(blob.digest) == [], "what turned out to be nothing is announced no longer"


@pytest.mark.usefixtures("either_way")
async def test_liars_are_remembered_over_a_restart(cluster, make_blob):
    liar, node = cluster.add(), cluster.add()
    blob = make_blob(seed=1)
    await liar.lie(blob.digest, make_blob(seed=2).data)
    with pytest.raises(TransferStalled):
        await fly(node, blob.digest, await node.parts.search.look(blob.digest, LIKELY_ENOUGH))
    await node.restart()
    assert node.store.bans() == {liar.identity.node_id.raw}
    with pytest.raises(BlobNotFound):
        await node.read(blob.digest)


@pytest.mark.usefixtures("either_way")
async def test_an_honest_node_is_never_banned(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    await node.read(blob.digest)
    assert node.store.bans() == frozenset()


async def test_who_cannot_be_reached_has_not_lied(cluster, make_blob):
    gone, honest, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await gone.discovery.announce(blob.digest, len(blob.data), blob.metainfo.root, complete=True)
    cluster.peers.dead.add(gone.host)
    await honest.add(blob.data)
    assert await node.read(blob.digest) == blob.data
    assert node.store.bans() == frozenset()


async def test_who_sends_other_bytes_for_a_small_blob_is_banned_and_another_is_asked(cluster, make_blob):
    liar, honest, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob(5000)
    await liar.add(blob.data)
    await honest.add(blob.data)
    cluster.peers.lying[liar.host] = liar.identity.node_id
    cluster.peers.slow[honest.host] = 0.2
    assert await node.read(blob.digest) == blob.data
    assert node.store.bans() == {liar.identity.node_id.raw}


async def test_a_foreign_seed_is_shown_by_its_address_and_cannot_be_banned(cluster, make_blob):
    foreign, node = cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    await foreign.lie(blob.digest, lie.data)
    metainfo = Metainfo(blob.digest, len(lie.data), lie.metainfo.root, blob.metainfo.realm)
    with pytest.raises(TransferStalled):
        async for _ in node.images.fetch_known(metainfo, [foreign.address]):
            pass
    assert any("10.0.0.1:7401" in what for what in node.history(blob.digest))
