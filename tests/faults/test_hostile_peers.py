"""Whole nodes in one process, some of which serve what they should not."""

import asyncio
import random
from dataclasses import dataclass

import pytest
from aiohttp import ClientPayloadError, ClientSession

from p2player.config import Config, HostPort
from p2player.errors import PeerUnreachable
from p2player.node import Node
from p2player.oci.digest import Digest
from p2player.store.hashing import BlobHasher
from p2player.swarm.metainfo import Metainfo

ANY = HostPort("127.0.0.1", 0)
SIZE = 16 << 20
BOUND = 15  # seconds


@dataclass(frozen=True)
class Content:
    data: bytes
    digest: Digest
    root: bytes
    piece_layer: bytes

    @classmethod
    def random(cls, seed, size=SIZE):
        data = random.Random(seed).randbytes(size)
        hasher = BlobHasher("sha256")
        hasher.update(data)
        digest, tree = hasher.finish()
        return cls(data, digest, tree.root, tree.piece_layer)


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a node in the cluster of the first one."""
    running = []

    async def run():
        join = (HostPort.parse(running[0].cluster_address),) if running else ()
        node = await Node.start(Config(tmp_path / f"node-{len(running)}", ANY, ANY, join))
        running.append(node)
        async with asyncio.timeout(10):
            while join and not node.dht.contacts():  # noqa: ASYNC110  (another node's doing)
                await asyncio.sleep(0.02)
        return node

    yield run
    for node in running:
        await node.close()


async def hold(node, content):
    """Bring content into node and announce it."""
    with node.store.begin_import() as importing:
        writer = importing.add(content.digest, len(content.data))
        writer.write(content.data)
        blob = writer.finish()
        importing.commit([])
    await node.holdings.add([blob])
    return blob


async def spoil(node, content):
    """Let node seed other bytes than it announces, in every other piece, without noticing."""
    blob = await hold(node, content)
    metainfo = node.holdings.metainfo(blob)
    node.swarms.stop_seeding(metainfo)
    spoilt = bytearray(content.data)
    for at in range(0, SIZE, 2 * metainfo.piece_length):
        spoilt[at] ^= 1
    path = node.config.data_dir / "spoilt"
    path.write_bytes(spoilt)
    node.swarms._session.apply_settings({"disable_hash_checks": True})
    node.swarms.seed(metainfo, path, content.piece_layer)


async def lie(node, digest, content):
    """Let node announce and seed content under a digest that is not its own."""
    path = node.config.data_dir / "lie"
    path.write_bytes(content.data)
    metainfo = Metainfo(digest, len(content.data), content.root, node.holdings._salt)
    node.swarms.seed(metainfo, path, content.piece_layer)
    await node.dht.announce(digest, len(content.data), content.root, complete=True)


async def fetch(node, content, want):
    """Fetch content, once want nodes are known to announce it."""
    async with asyncio.timeout(BOUND):
        while len(await node.dht.find(content.digest)) < want:  # noqa: ASYNC110  (other nodes' doing)
            await asyncio.sleep(0.05)
        blob = await node.images.blob(content.digest)
        with blob.join() as flight:
            await flight.landed()
    return node.store.path(content.digest).read_bytes()


async def test_pieces_that_do_not_belong_to_the_root_are_fetched_from_a_good_peer(start):
    good, hostile, node = await start(), await start(), await start()
    content = Content.random(1)
    await hold(good, content)
    await spoil(hostile, content)
    assert await fetch(node, content, 2) == content.data
    assert node.counters.dropped["swarm.pieces"] >= 1
    assert node.store.bans() == frozenset(), "a bad disk is no lie"


async def test_liars_in_the_majority_are_banned_and_the_true_content_is_fetched(start):
    good, *liars = [await start() for _ in range(3)]
    node = await start()
    content, false = Content.random(1), Content.random(2)
    await hold(good, content)
    for liar in liars:
        await lie(liar, content.digest, false)
    assert await fetch(node, content, 3) == content.data
    assert node.store.bans() == {liar.identity.node_id.raw for liar in liars}


async def test_a_runtime_that_reads_a_lie_is_cut_off_before_its_last_bytes(start):
    liar, node = await start(), await start()
    content, false = Content.random(1), Content.random(2)
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
    content = Content.random(1)
    await hold(good, content)
    await lie(first, content.digest, Content.random(3, size=SIZE + 1))
    await second.dht.announce(content.digest, SIZE, b"no such root".ljust(32), complete=True)
    node.store.ban(first.identity.node_id.raw, "lied before")
    assert await fetch(node, content, 3) == content.data


async def test_a_small_blob_with_other_bytes_is_refused_and_its_sender_banned(start, monkeypatch):
    good, hostile, node = await start(), await start(), await start()
    content = Content.random(1, size=5000)
    await hold(good, content)
    await hold(hostile, content)
    monkeypatch.setattr(hostile.holdings, "small", lambda _: b"other bytes")
    monkeypatch.setattr(good.holdings, "small", lambda _: None)
    with pytest.raises(PeerUnreachable):  # nobody honest answers
        await fetch(node, content, 2)
    assert node.store.blobs() == []
    assert node.store.bans() == {hostile.identity.node_id.raw}
    monkeypatch.undo()
    assert await fetch(node, content, 2) == content.data
