import asyncio
import errno

import libtorrent as lt
import pytest

from p2player.errors import StorageError, TransferStalled
from p2player.swarm.blame import FLOOD
from p2player.swarm.port import Spoilt, SwarmPeer
from p2player.swarm.transfer import LibtorrentTransfer
from tests.wrongbytes import require_same


class Handle:
    """A torrent handle that only writes down what was asked of it."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))

    def asked(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def handle():
    return Handle()


@pytest.fixture
def transfer(handle, blob, tmp_path):
    return LibtorrentTransfer(blob.metainfo, tmp_path / "out", handle, [SwarmPeer(("10.0.0.1", 1))])


class ReadPiece:
    def __init__(self, piece, buffer=b"", error=0):
        self.piece = piece
        self.buffer = buffer
        self.error = lt.error_code(error, lt.generic_category()) if error else lt.error_code()


async def start(awaitable):
    """Return a task that has come as far as it can by itself."""
    task = asyncio.get_running_loop().create_task(awaitable)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_an_urgent_piece_far_ahead_is_asked_for_first(transfer, handle):
    task = await start(transfer.piece(9))
    first, *_ = sorted(handle.asked("set_piece_deadline"), key=lambda call: call[1])
    assert first[0] == 9
    task.cancel()


@pytest.mark.parametrize(("how", "index"), [("written", 9), ("piece", 0)])
async def test_what_comes_next_anyway_or_can_wait_is_not_hurried(transfer, handle, how, index):
    task = await start(getattr(transfer, how)(index))
    assert handle.asked("set_piece_deadline") == []
    task.cancel()


async def test_what_is_there_already_is_not_hurried_again(transfer, handle):
    transfer.on_piece_finished(10)
    task = await start(transfer.piece(9))
    assert 10 not in [index for index, _ in handle.asked("set_piece_deadline")]
    task.cancel()


async def test_a_piece_is_read_back_once_for_all_who_wait(transfer, handle, blob):
    transfer.on_piece_finished(2)
    readers = [await start(transfer.piece(2)) for _ in range(2)]
    assert handle.asked("read_piece") == [(2,)]
    transfer.on_read_piece(ReadPiece(2, blob.pieces[2]))
    assert await asyncio.gather(*readers) == [blob.pieces[2]] * 2


async def test_one_flush_serves_all_who_wait_for_what_was_verified_before_it(transfer, handle):
    for index in (0, 1, 2, 4):
        transfer.on_piece_finished(index)
    waiting = [await start(transfer.written(index)) for index in (0, 1, 4)]
    await asyncio.wait_for(asyncio.wait(waiting, timeout=0.5), 5)
    assert handle.asked("flush_cache") == [()]
    assert not any(task.done() for task in waiting)
    transfer.on_piece_finished(3)
    transfer.on_flushed()
    assert await asyncio.gather(*waiting) == [3, 3, 5]
    again = await start(transfer.written(3))
    assert not again.done()
    again.cancel()


async def test_a_flush_whose_waiter_has_left_does_not_answer_for_a_later_one(transfer, handle):
    transfer.on_piece_finished(0)
    leaving = await start(transfer.written(0))
    await asyncio.wait([leaving], timeout=0.5)
    assert handle.asked("flush_cache") == [()]
    leaving.cancel()
    transfer.on_piece_finished(1)  # verified after the flush began: not in the file when that ends
    staying = await start(transfer.written(1))
    await asyncio.wait([staying], timeout=0.5)
    transfer.on_flushed()
    await asyncio.wait([staying], timeout=0.5)
    assert not staying.done()
    assert handle.asked("flush_cache") == [()] * 2
    transfer.on_flushed()
    assert await staying == 2


async def test_a_verified_piece_is_not_taken_for_one_that_was_read(transfer, handle):
    task = await start(transfer.piece(0))
    transfer.on_piece_finished(0)
    transfer.on_piece_finished(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert handle.asked("read_piece") == [(0,)]
    assert not task.done()
    task.cancel()


async def test_a_piece_that_cannot_be_read_back_fails_the_transfer(transfer):
    transfer.on_piece_finished(0)
    task = await start(transfer.piece(0))
    transfer.on_read_piece(ReadPiece(0, error=errno.EIO))
    with pytest.raises(StorageError, match="cannot read sha256:"):
        await task


async def test_only_new_peers_are_connected(transfer, handle):
    transfer.connect([SwarmPeer(("10.0.0.1", 1)), SwarmPeer(("10.0.0.2", 1))])
    transfer.connect([SwarmPeer(("10.0.0.2", 1))])
    assert handle.asked("connect_peer") == [(("10.0.0.2", 1),)]


async def test_pieces_come_in_order_from_seeds_and_out_of_order_among_those_who_trade(transfer, handle):
    sequential = lt.torrent_flags.sequential_download
    transfer.connect([SwarmPeer(("10.0.0.2", 1), is_seed=True)])
    assert handle.asked("unset_flags") == []
    transfer.connect([SwarmPeer(("10.0.0.3", 1), is_seed=False)])
    assert handle.asked("unset_flags") == [(sequential,)]


async def test_pieces_whose_alerts_were_lost_are_found_by_looking(libtorrent_node, blob, tmp_path, monkeypatch):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    lost = []
    pass_on = fetcher._on_alert

    def lose_some(alert):
        if isinstance(alert, lt.piece_finished_alert | lt.torrent_finished_alert):
            lost.append(alert)
        else:
            pass_on(alert)

    monkeypatch.setattr(fetcher, "_on_alert", lose_some)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    pieces = [await transfer.piece(index) for index in range(len(blob.pieces))]
    require_same(pieces, blob.pieces)
    assert await transfer.complete() == blob.tree
    assert lost


async def test_who_sent_wrong_pieces_is_among_those_that_are_told(libtorrent_node, make_blob, tmp_path):
    (good, good_peer), (bad, bad_peer), (fetcher, _) = [await libtorrent_node() for _ in range(3)]
    blob = make_blob(8_000_000)
    bad._session.apply_settings({"disable_hash_checks": True})
    damaged = tmp_path / "damaged"
    damaged.write_bytes(bytes(len(blob.data)))
    bad.seed(blob.metainfo, damaged, blob.tree.piece_layer)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [bad_peer])
    async with asyncio.timeout(30):
        while not transfer.spoilt().pieces:  # noqa: ASYNC110  (libtorrent's doing)
            await asyncio.sleep(0.01)
    blob.seed(good)
    transfer.connect([good_peer])
    await transfer.complete()
    spoilt = transfer.spoilt()
    assert bad_peer.address in spoilt.addresses  # libtorrent may blame who sent other blocks of the same piece as well
    assert "02" * 4 in spoilt.names
    assert 0 in spoilt.pieces
    require_same((tmp_path / "out").read_bytes(), blob.data)


async def test_where_no_piece_came_wrong_nobody_is_told(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.complete()
    assert transfer.spoilt() == Spoilt()


async def test_who_floods_from_an_address_that_was_given_is_told_and_nobody_else(transfer):
    for address in (("10.0.0.1", 1), ("10.0.0.1", 40_000)):
        for _ in range(FLOOD):
            transfer.blame.on_unasked(address)
    assert transfer.spoilt() == Spoilt(flooders=frozenset({("10.0.0.1", 1)}))


async def test_on_a_host_of_several_nodes_one_knows_of_the_others(transfer):
    transfer.connect([SwarmPeer(("10.0.0.2", 1)), SwarmPeer(("10.0.0.2", 2))])
    assert transfer.knows_others_at(("10.0.0.2", 1))
    assert not transfer.knows_others_at(("10.0.0.1", 1))


class Kept:
    """What a torrent has, by its resume data."""

    def __init__(self, pieces):
        self.have_pieces = [index in pieces for index in range(16)]


@pytest.fixture
def resume(monkeypatch, transfer):
    """Return a function that gives a transfer the resume data it has asked for."""
    monkeypatch.setattr("p2player.swarm.torrents.kept", lambda params: params)
    return lambda pieces: transfer.on_resume_data(Kept(pieces))


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_torrent_is_halted_once_it_has_paused_and_has_all_that_was_verified(transfer, handle, resume):
    transfer.on_piece_finished(0)
    transfer.on_piece_finished(1)
    halting = await start(transfer.halt())
    assert handle.asked("save_resume_data") == []
    transfer.on_paused()
    await settle()
    resume({0})  # what libtorrent says of it is behind by a piece
    while len(handle.asked("save_resume_data")) < 2:  # noqa: ASYNC110  (it asks again after a while)
        await asyncio.sleep(0.01)
    assert not halting.done()
    resume({0, 1})
    kept = await halting
    assert kept.have_pieces[:3] == [True, True, False]
    assert handle.asked("resume") == []


async def test_what_is_given_while_a_torrent_is_halted_is_not_written(transfer, handle):
    halting = await start(transfer.halt())
    transfer.give(3, b"piece")
    assert handle.asked("add_piece") == []
    transfer.go_on(next_one := Handle())
    transfer.give(3, b"piece")
    assert handle.asked("add_piece") == []
    assert next_one.asked("add_piece") == [(3, b"piece", 0)]
    halting.cancel()


async def test_a_torrent_that_finishes_while_it_is_halted_goes_on_itself(transfer, handle, resume):
    halting = await start(transfer.halt())
    transfer.on_paused()
    await settle()
    transfer.on_finished()
    resume(set())
    assert await halting is None
    assert handle.asked("resume") == [()]


async def test_a_torrent_that_does_not_say_what_it_has_goes_on_itself(transfer, handle, resume, monkeypatch):
    monkeypatch.setattr("p2player.swarm.transfer._SAVE_AGAIN", 0.0)
    transfer.on_piece_finished(0)
    halting = await start(transfer.halt())
    transfer.on_paused()
    while not halting.done():
        await settle()
        if None in transfer._kept:
            resume(set())
    assert await halting is None
    assert handle.asked("resume") == [()]


async def test_a_transfer_that_fails_while_its_torrent_is_halted_does_not_go_on(transfer):
    halting = await start(transfer.halt())
    transfer.fail(TransferStalled("nobody waits for it"))
    with pytest.raises(TransferStalled):
        await halting


async def test_the_next_torrent_is_asked_for_all_that_is_still_waited_for(transfer, blob):
    for index in (0, 1, 2):
        transfer.on_piece_finished(index)
    reading = await start(transfer.piece(1))
    urgent = await start(transfer.piece(9))
    writing = await start(transfer.written(2))
    await asyncio.wait([writing], timeout=0.5)  # until it is flushed
    transfer.go_on(handle := Handle())
    assert handle.asked("read_piece") == [(1,)]
    assert [index for index, _ in handle.asked("set_piece_deadline")] == [9, 10, 11]
    assert handle.asked("flush_cache") == [()]
    transfer.on_read_piece(ReadPiece(1, blob.pieces[1]))
    transfer.on_flushed()
    assert await reading == blob.pieces[1]
    assert await writing == 3
    urgent.cancel()


async def test_the_next_torrent_is_asked_for_nothing_that_nobody_waits_for(transfer, blob):
    transfer.on_piece_finished(0)
    transfer.go_on(handle := Handle())
    assert [name for name, *_ in handle.calls if name != "unset_flags"] == ["connect_peer", "resume"]


async def test_the_next_torrent_keeps_the_order_of_the_last(transfer):
    sequential = lt.torrent_flags.sequential_download
    transfer.go_on(first := Handle())
    assert first.asked("set_flags") == [(sequential,)]
    transfer.connect([SwarmPeer(("10.0.0.3", 1), is_seed=False)])
    transfer.go_on(second := Handle())
    assert second.asked("unset_flags") == [(sequential,)]


async def test_the_next_torrent_is_told_of_all_peers_but_flooders(transfer):
    known, flooder = ("10.0.0.1", 1), ("10.0.0.2", 1)
    transfer.connect([SwarmPeer(flooder)])
    for _ in range(FLOOD):
        transfer.blame.on_unasked(flooder)
    transfer.on_peer_banned(flooder, bytes(20))
    transfer.go_on(handle := Handle())
    assert handle.asked("connect_peer") == [(known,)]


async def test_what_was_asked_of_the_last_torrent_says_nothing_of_the_next(transfer):
    class Slow(Handle):
        def status(self, _):
            transfer.go_on(Handle())  # and whoever looked at what this returns would fail

    transfer.go_on(Slow())
    await transfer.look()
    assert transfer.progress().connected == 0


@pytest.fixture
def stand_still(transfer):
    """Return a function that tells whether a transfer stands still when nothing comes of it for a long time."""

    def stand_still():
        return [transfer.stands_still(now) for now in (0.0, 100.0)] == [False, True]

    return stand_still


def test_a_transfer_stands_still_if_nothing_comes_and_somebody_it_knows_was_put_out(transfer, stand_still):
    transfer.on_peer_banned(("10.0.0.1", 1), bytes(20))
    assert stand_still()


def test_a_transfer_that_nobody_was_put_out_of_does_not_stand_still(transfer, stand_still):
    transfer.on_peer_banned(("10.0.0.9", 40_000), bytes(20))
    assert not stand_still()


async def test_a_transfer_that_is_halted_or_finished_does_not_stand_still(transfer, stand_still):
    transfer.on_peer_banned(("10.0.0.1", 1), bytes(20))
    halting = await start(transfer.halt())
    assert not stand_still()
    transfer.go_on(Handle())
    transfer.on_finished()
    assert not stand_still()
    halting.cancel()


async def test_a_transfer_that_has_failed_does_not_stand_still(transfer, stand_still):
    transfer.on_peer_banned(("10.0.0.1", 1), bytes(20))
    transfer.fail(StorageError("no disk"))
    assert not stand_still()
