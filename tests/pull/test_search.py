import asyncio

import pytest

from p2player.errors import BlobNotFound
from p2player.pull.search import LIKELY_ENOUGH


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


async def test_one_empty_answer_is_not_believed_and_two_are(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    looking = asyncio.gather(node.parts.search.look_twice(blob.digest))
    await asyncio.sleep(0.1)
    await seed.add(blob.data)
    assert [seen.claims for seen in await looking] == [(blob.claim(seed),)]
    with pytest.raises(BlobNotFound) as caught:
        await node.parts.search.look_twice(make_blob(seed=9).digest)
    assert "p2player peers" in caught.value.hint
