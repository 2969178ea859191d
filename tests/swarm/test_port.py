"""What every `Swarms` does, by libtorrent and in memory alike."""

import asyncio
import os
from dataclasses import replace
from itertools import count

import pytest

from p2player.errors import DiskFull, StorageError, TransferStalled
from p2player.swarm.memory import MemoryNet
from p2player.swarm.port import SwarmPeer
from p2player.swarm.realm import Realm
from tests.wrongbytes import require_same

NOTHING_COMES = 0.3  # seconds; loopback and memory take a hundredth of it


@pytest.fixture(params=["memory", "libtorrent"])
def add_node(request):
    """Return a function that starts a node: its swarms, and how others reach it."""
    if request.param == "libtorrent":
        return request.getfixturevalue("libtorrent_node")
    net, numbers = MemoryNet(), count(1)

    async def start():
        address = (f"10.0.0.{next(numbers)}", 7401)
        return net.node(address), SwarmPeer(address)

    return start


async def all_pieces(transfer):
    return [await transfer.piece(index) for index in range(transfer.metainfo.piece_count)]


async def comes(awaitable):
    """Tell whether anything comes of awaitable in a while."""
    try:
        await asyncio.wait_for(awaitable, NOTHING_COMES)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("size", [1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 1_000_000])
async def test_every_piece_comes_and_the_file_and_the_tree_are_those_of_the_blob(add_node, make_blob, tmp_path, size):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob = make_blob(size)
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    require_same(await all_pieces(transfer), blob.pieces)
    assert await transfer.complete() == blob.tree
    require_same((tmp_path / "out").read_bytes(), blob.data)


async def test_progress_says_what_is_there_and_from_whom(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [])
    before = transfer.progress()
    assert (before.done, before.received, dict(before.by_peer)) == (0, 0, {})
    transfer.connect([peer])
    await transfer.complete()
    after = transfer.progress()
    assert after.done == len(blob.data)
    assert after.received >= len(blob.data)
    assert sum(after.by_peer.values()) >= len(blob.data)
    assert len(after.by_peer) == 1
    assert (before.connected, after.connected) == (0, 1)


async def test_a_piece_can_be_had_again_and_by_many_readers(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    readers = await asyncio.gather(*(all_pieces(transfer) for _ in range(3)))
    await transfer.complete()
    assert [*readers, await all_pieces(transfer)] == [blob.pieces] * 4


async def test_without_a_peer_a_piece_waits_and_comes_once_one_is_connected(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [])
    assert not await comes(transfer.piece(0))
    transfer.connect([peer])
    require_same(await transfer.piece(0), blob.pieces[0])


async def test_who_has_fetched_seeds_on_from_where_the_file_was_moved_to(add_node, blob, tmp_path):
    (seed, peer), (second, second_peer), (third, _) = [await add_node() for _ in range(3)]
    blob.seed(seed)
    transfer = second.fetch(blob.metainfo, tmp_path / "staged", [peer])
    await transfer.complete()
    os.link(tmp_path / "staged", tmp_path / "kept")
    await transfer.move(tmp_path / "kept")
    (tmp_path / "staged").unlink()
    seed.stop_seeding(blob.metainfo)

    onward = third.fetch(blob.metainfo, tmp_path / "third", [peer, second_peer])
    require_same(await all_pieces(onward), blob.pieces)
    assert transfer.progress().done == len(blob.data)
    with pytest.raises(TransferStalled):
        await transfer.piece(0)


async def test_what_is_said_to_be_written_is_in_the_file(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    at, length = 0, blob.metainfo.piece_length
    while at < blob.metainfo.piece_count:
        upto = await transfer.written(at)
        assert upto > at
        data = (tmp_path / "out").read_bytes()
        require_same(data[at * length : upto * length], blob.data[at * length : upto * length])
        at = upto


async def test_who_still_fetches_gives_what_it_has(add_node, blob, tmp_path):
    (seed, peer), (second, second_peer), (third, _) = [await add_node() for _ in range(3)]
    blob.seed(seed)
    followed = second.fetch(blob.metainfo, tmp_path / "second", [])
    following = third.fetch(blob.metainfo, tmp_path / "third", [replace(second_peer, is_seed=False)])
    followed.connect([peer])
    require_same(await all_pieces(following), blob.pieces)


async def test_nobody_is_served_after_seeding_was_stopped(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    blob.seed(seed)
    seed.stop_seeding(blob.metainfo)
    seed.stop_seeding(blob.metainfo)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert not await comes(transfer.piece(0))
    assert transfer.progress().done == 0


async def test_who_does_not_know_the_salt_gets_nothing(add_node, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob = make_blob(realm=Realm(b"of the cluster"))
    blob.seed(seed)
    outside = fetcher.fetch(replace(blob.metainfo, realm=Realm()), tmp_path / "out", [peer])
    assert not await comes(outside.piece(0))
    inside = fetcher.fetch(blob.metainfo, tmp_path / "in", [peer])
    require_same(await all_pieces(inside), blob.pieces)


async def test_a_damaged_file_is_never_taken_for_the_blob_and_a_good_one_helps(add_node, blob, tmp_path):
    (bad, bad_peer), (good, good_peer), (fetcher, _) = [await add_node() for _ in range(3)]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(bytes(len(blob.data)))
    bad.seed(blob.metainfo, damaged, blob.tree.piece_layer)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [bad_peer])
    assert not await comes(transfer.piece(0))
    assert transfer.progress().done == 0
    blob.seed(good)
    transfer.connect([good_peer])
    require_same(await all_pieces(transfer), blob.pieces)


async def test_bytes_under_a_name_that_is_not_theirs_are_the_verifiers_business(add_node, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    lie = make_blob(seed=1, named=make_blob(seed=2).metainfo.digest)
    lie.seed(seed)
    transfer = fetcher.fetch(lie.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == lie.tree
    assert not transfer.metainfo.digest.matches((tmp_path / "out").read_bytes())


async def test_a_failure_reaches_all_who_wait_and_all_who_come_later(add_node, blob, tmp_path):
    fetcher, _ = await add_node()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [])
    waiting = asyncio.gather(transfer.piece(3), transfer.written(2), transfer.complete(), return_exceptions=True)
    await asyncio.sleep(0)
    transfer.fail(DiskFull("no room"))
    transfer.fail(StorageError("it follows from the first"))
    assert [type(outcome) for outcome in await waiting] == [DiskFull] * 3
    for waiting in (transfer.piece(0), transfer.written(0)):
        with pytest.raises(DiskFull):
            await waiting


@pytest.mark.parametrize("how", ["piece", "written"])
async def test_an_abandoned_transfer_fails_quietly_and_the_blob_can_be_fetched_anew(add_node, blob, tmp_path, how):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "first", [])
    waiting = asyncio.gather(getattr(transfer, how)(0), return_exceptions=True)
    await asyncio.sleep(0)
    fetcher.abandon(transfer)
    fetcher.abandon(transfer)
    assert [type(outcome) for outcome in await waiting] == [TransferStalled]
    transfer.connect([peer])
    with pytest.raises(TransferStalled):
        await getattr(transfer, how)(1)
    blob.seed(seed)
    again = fetcher.fetch(blob.metainfo, tmp_path / "second", [peer])
    require_same(await all_pieces(again), blob.pieces)


async def test_a_reader_hears_of_it_when_the_blob_is_no_longer_seeded_here(add_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await add_node(), await add_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.complete()
    fetcher.stop_seeding(blob.metainfo)
    with pytest.raises(TransferStalled):
        await all_pieces(transfer)
