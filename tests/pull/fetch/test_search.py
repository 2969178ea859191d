import asyncio

import pytest

from p2player.errors import BlobNotFound
from p2player.pull.fetch.search import LIKELY_ENOUGH


async def test_what_others_announce_is_found_and_noted(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    (claim,) = (await node.parts.search.look(blob.digest, LIKELY_ENOUGH)).claims
    assert claim == blob.claim(seed)
    assert node.history(blob.digest) == ["the DHT knows 1 other node(s) that have it"]


async def test_what_this_node_announces_itself_is_no_claim(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    assert not await node.parts.search.look(blob.digest, LIKELY_ENOUGH)


async def test_banned_nodes_claim_nothing(cluster, make_blob):
    seed, liar, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    await liar.add(blob.data)
    node.store.ban(liar.identity.node_id.raw, "lied")
    assert (await node.parts.search.look(blob.digest, LIKELY_ENOUGH)).claims == (blob.claim(seed),)


@pytest.mark.parametrize(("is_named", "found_after"), [(False, 0.1), (True, 0.1), (True, 4.0)])
async def test_one_empty_answer_is_not_believed_nor_are_four_about_what_a_manifest_names(
    cluster, make_blob, is_named, found_after
):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    looking = asyncio.gather(node.parts.search.look_again(blob.digest, is_named=is_named))
    await asyncio.sleep(found_after)
    await seed.add(blob.data)
    assert [seen.claims for seen in await looking] == [(blob.claim(seed),)]


@pytest.mark.parametrize(("is_named", "most"), [(False, 0.5), (True, 5.0)])
async def test_what_nobody_announces_is_given_up_sooner_if_no_manifest_names_it(cluster, make_blob, is_named, most):
    node = cluster.add()
    began = asyncio.get_running_loop().time()
    with pytest.raises(BlobNotFound) as caught:
        await node.parts.search.look_again(make_blob().digest, is_named=is_named)
    assert "p2player peers" in caught.value.hint
    assert asyncio.get_running_loop().time() - began < most
