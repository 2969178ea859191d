"""Whole nodes in one process, some of which serve what they should not."""

import asyncio

import pytest
from aiohttp import ClientPayloadError, ClientSession

from p2player.errors import PeerUnreachable
from p2player.swarm.metainfo import Metainfo
from tests.faults.contents import Content
from tests.faults.nodes import hold
from tests.wrongbytes import require_same

SIZE = 16 << 20
BOUND = 15  # seconds


async def lie(node, digest, content):
    """Let node announce and seed content under a digest that is not its own."""
    path = node.config.data_dir / "lie"
    path.write_bytes(content.data)
    metainfo = Metainfo(digest, len(content.data), content.root, node.holdings._realms()[0])
    node.swarms.seed(metainfo, path, content.piece_layer)
    await node.dht.announce(digest, len(content.data), content.root, complete=True)


async def fetch(node, content, want):
    """Fetch content, once want nodes are known to announce it, and look whether it is what was asked for."""
    async with asyncio.timeout(BOUND):
        while len(await node.dht.find(content.digest)) < want:  # noqa: ASYNC110  (other nodes' doing)
            await asyncio.sleep(0.05)
        blob = await node.images.blob(content.digest)
        with blob.join() as flight:
            await flight.landed()
    require_same(node.store.path(content.digest).read_bytes(), content.data)


async def test_a_runtime_that_reads_a_lie_is_cut_off_before_its_last_bytes(start):
    liar, node = await start(), await start()
    content, false = Content.random(1, SIZE), Content.random(2, SIZE)
    await lie(liar, content.digest, false)
    async with asyncio.timeout(BOUND), ClientSession(f"http://{node.registry_address}") as session:
        while not await node.dht.find(content.digest):  # noqa: ASYNC110  (another node's doing)
            await asyncio.sleep(0.05)
        async with session.get(f"/v2/library/app/blobs/{content.digest}") as response:
            assert (response.status, response.content_length) == (200, SIZE)
            with pytest.raises(ClientPayloadError):
                await response.read()
        while not node.store.bans():  # noqa: ASYNC110  (the reader is told first)
            await asyncio.sleep(0.05)
    assert node.store.blobs() == []
    assert node.store.bans() == {liar.identity.node_id.raw}


async def test_liars_about_the_size_or_without_any_swarm_do_not_keep_the_true_content_away(start):
    good, first, second, node = [await start() for _ in range(4)]
    content = Content.random(1, SIZE)
    await hold(good, content)
    await lie(first, content.digest, Content.random(3, SIZE + 1))
    await second.dht.announce(content.digest, SIZE, b"no such root".ljust(32), complete=True)
    node.store.ban(first.identity.node_id.raw, "lied before")
    await fetch(node, content, 3)


async def test_a_small_blob_with_other_bytes_is_refused_and_its_sender_banned(start, monkeypatch):
    good, hostile, node = await start(), await start(), await start()
    content = Content.random(1, 5000)
    await hold(good, content)
    await hold(hostile, content)
    monkeypatch.setattr(hostile.holdings, "small", lambda _: b"other bytes")
    monkeypatch.setattr(good.holdings, "small", lambda _: None)
    with pytest.raises(PeerUnreachable):  # nobody honest answers
        await fetch(node, content, 2)
    assert node.store.blobs() == []
    assert node.store.bans() == {hostile.identity.node_id.raw}
    monkeypatch.undo()
    await fetch(node, content, 2)
