import asyncio

import pytest

from p2player.pull.held.scrub import FRESH, QUIET, ROUND
from p2player.tasks import Tasks


def spoil(node, blob):
    node.store.path(blob.digest).write_bytes(blob.data[:-1] + bytes([blob.data[-1] ^ 1]))


async def hashing_is_done(node):
    """Wait until nothing runs in a thread any more: virtual time stands still meanwhile."""
    await asyncio.sleep(1)
    await asyncio.to_thread(lambda: None)


@pytest.fixture
async def pair(cluster, make_blob):
    """Two nodes that hold a blob, and the blob; the first one is scrubbed."""
    node, other = cluster.add(), cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    await other.add(blob.data)
    tasks = Tasks("scrub")
    tasks.spawn(node.scrub.run(), "scrub")
    yield node, other, blob
    await tasks.close()


async def test_a_client_that_was_given_spoilt_bytes_gets_the_right_ones_when_it_asks_again(pair):
    node, _, blob = pair
    spoil(node, blob)
    assert await node.read(blob.digest) != blob.data
    await hashing_is_done(node)
    assert await node.read(blob.digest) == blob.data
    assert node.store.get(blob.digest) is not None


async def test_a_spoilt_blob_is_announced_no_more(pair):
    node, other, blob = pair
    spoil(node, blob)
    await node.read(blob.digest)
    await hashing_is_done(node)
    assert [found.node_id for found in await other.discovery.find(blob.digest) if not found.withdrawn] == []


async def test_a_good_blob_stays_and_is_not_hashed_again_each_time_it_is_served(pair, monkeypatch):
    node, _, blob = pair
    hashed = []
    check = node.store.check
    monkeypatch.setattr(node.store, "check", lambda blob: hashed.append(blob.digest) or check(blob))
    for _ in range(3):
        assert await node.read(blob.digest) == blob.data
        await hashing_is_done(node)
    assert hashed == [blob.digest]
    await asyncio.sleep(FRESH)
    await node.read(blob.digest)
    await hashing_is_done(node)
    assert hashed == [blob.digest] * 2


async def test_what_nobody_asks_for_is_hashed_once_a_round(pair, monkeypatch):
    node, _, blob = pair
    hashed = []
    check = node.store.check
    monkeypatch.setattr(node.store, "check", lambda blob: hashed.append(blob.digest) or check(blob))
    await asyncio.sleep(ROUND - QUIET)
    assert hashed == [blob.digest]
    spoil(node, blob)
    await asyncio.sleep(3 * QUIET)
    await hashing_is_done(node)
    assert hashed == [blob.digest] * 2
    assert node.store.get(blob.digest) is None


async def test_a_disk_that_cannot_be_read_ends_nothing(pair, make_blob, monkeypatch):
    node, _, blob = pair

    def fails(_):
        raise OSError("Input/output error")

    monkeypatch.setattr(node.store, "check", fails)
    await node.read(blob.digest)
    await hashing_is_done(node)
    monkeypatch.undo()
    another = make_blob(seed=1)
    await node.add(another.data)
    spoil(node, another)
    await node.read(another.digest)
    await hashing_is_done(node)
    assert node.store.get(another.digest) is None


async def test_what_could_not_be_read_for_others_is_hashed_though_it_was_served_lately(pair):
    node, _, blob = pair
    await node.read(blob.digest)
    await hashing_is_done(node)
    spoil(node, blob)
    await asyncio.sleep(QUIET)
    node.scrub.unreadable(blob.digest)
    await hashing_is_done(node)
    assert node.store.get(blob.digest) is None


async def test_what_is_good_stays_and_is_hashed_once_a_minute_however_often_it_cannot_be_read(pair, monkeypatch):
    node, _, blob = pair
    hashed = []
    check = node.store.check
    monkeypatch.setattr(node.store, "check", lambda blob: hashed.append(blob.digest) or check(blob))
    for _ in range(3):
        node.scrub.unreadable(blob.digest)
        await hashing_is_done(node)
    assert hashed == [blob.digest]
    await asyncio.sleep(QUIET)
    node.scrub.unreadable(blob.digest)
    await hashing_is_done(node)
    assert hashed == [blob.digest] * 2
    assert node.store.get(blob.digest) is not None


async def test_what_is_not_here_cannot_be_unreadable(pair, make_blob):
    node, _, blob = pair
    node.scrub.unreadable(make_blob(seed=1).digest)
    await hashing_is_done(node)
    assert await node.read(blob.digest) == blob.data
