import asyncio
import os
import socket

import libtorrent as lt
import pytest

from p2player.errors import AddressUnusable, StorageError, TransferStalled
from p2player.swarm.session import LibtorrentSwarms
from tests.swarm.conftest import NO_TLS
from tests.wrongbytes import require_same


async def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(counters):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(AddressUnusable, match="for BitTorrent") as caught,
    ):
        await LibtorrentSwarms.start("127.0.0.1", taken.getsockname()[1], bytes(20), counters, NO_TLS)
    assert "--cluster" in caught.value.hint


async def test_closing_fails_what_is_under_way_and_frees_the_port(blob, counters, tmp_path):
    swarms = await LibtorrentSwarms.start("127.0.0.1", 0, bytes(20), counters, NO_TLS)
    port = swarms.port
    transfer = swarms.fetch(blob.metainfo, tmp_path / "out", [])
    waiting = asyncio.gather(transfer.piece(0), transfer.complete(), return_exceptions=True)
    await asyncio.sleep(0)
    await swarms.close()
    assert [type(outcome) for outcome in await waiting] == [TransferStalled, TransferStalled]
    again = await LibtorrentSwarms.start("127.0.0.1", port, bytes(20), counters, NO_TLS)
    await again.close()


async def test_a_restarted_node_seeds_again_without_hashing_the_file(libtorrent_node, blob, counters, tmp_path):
    first = await LibtorrentSwarms.start("127.0.0.1", 0, bytes(20), counters, NO_TLS)
    blob.seed(first)
    await first.close()
    (again, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(again)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == blob.tree


async def test_a_file_that_cannot_be_written_fails_the_transfer_with_the_reason(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    (tmp_path / "in the way").write_bytes(b"a file where a directory has to be")
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "in the way" / "out", [peer])
    with pytest.raises(StorageError, match="in the way"):
        await transfer.complete()


async def test_garbage_on_the_bittorrent_port_does_no_harm(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    for junk in (
        b"",
        b"\0" * 70_000,
        os.urandom(70_000),
        b"\x13BitTorrent protocol" + os.urandom(48),
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        _, writer = await asyncio.open_connection(*peer.address)
        writer.write(junk)
        writer.close()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == blob.tree


async def test_an_alert_that_cannot_be_handled_does_not_take_the_others_with_it(
    libtorrent_node, blob, tmp_path, caplog, monkeypatch
):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    handle_alert = fetcher._on_alert

    def fail_at_pieces(alert):
        assert not isinstance(alert, lt.piece_finished_alert), "a bug"
        handle_alert(alert)

    monkeypatch.setattr(fetcher, "_on_alert", fail_at_pieces)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == blob.tree
    assert "a bug" in caplog.text


async def test_the_regular_look_survives_a_transfer_abandoned_under_it(libtorrent_node, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    kept, dropped = make_blob(seed=1), make_blob(seed=2)
    doomed = fetcher.fetch(dropped.metainfo, tmp_path / "dropped", [])
    looking = asyncio.gather(doomed.look(), doomed.look())
    await asyncio.sleep(0)
    fetcher.abandon(doomed)
    await looking
    await doomed.look()

    kept.seed(seed)
    transfer = fetcher.fetch(kept.metainfo, tmp_path / "kept", [peer])
    assert await transfer.complete() == kept.tree
    assert len(fetcher._tasks) == 2


async def test_lost_alerts_are_counted(libtorrent_node, counters):
    (swarms, _) = await libtorrent_node()
    swarms._on_alert(lt.alerts_dropped_alert.__new__(lt.alerts_dropped_alert))
    assert counters.dropped == {"swarm.alerts": 1}


async def test_a_hostile_peers_pieces_are_refused_and_counted_and_a_good_peer_gives_them(
    libtorrent_node, blob, counters, tmp_path
):
    (bad, bad_peer), (good, good_peer), (fetcher, _) = [await libtorrent_node() for _ in range(3)]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(blob.data[:-70_000] + bytes(70_000))
    bad._session.apply_settings({"disable_hash_checks": True})
    bad.seed(blob.metainfo, damaged, blob.tree.piece_layer)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [bad_peer])
    while not counters.dropped.get("swarm.pieces"):  # noqa: ASYNC110  (nothing tells of a count)
        await asyncio.sleep(0.01)
    assert transfer.progress().done <= len(blob.data) - 70_000
    blob.seed(good)
    transfer.connect([good_peer])
    assert await transfer.complete() == blob.tree
    require_same((tmp_path / "out").read_bytes(), blob.data)
    fetcher.abandon(transfer)
    assert counters.bytes["redundant"] >= len(blob.pieces[-1])  # who is caught with one of the two sends no other


def no_file(path):
    path.unlink()


def half_a_file(path):
    os.truncate(path, path.stat().st_size // 2)


def bad_sector(path):
    path.unlink()
    path.symlink_to("/proc/self/mem")  # which gives EIO to whoever reads its first bytes


@pytest.mark.parametrize("spoil", [no_file, half_a_file, bad_sector])
async def test_a_seed_tells_of_what_it_cannot_read(libtorrent_node, blob, tmp_path, spoil):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    unread = asyncio.Queue()
    seed.on_read_error(unread.put_nowait)
    spoil(blob.path)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    async with asyncio.timeout(10):
        assert await unread.get() == blob.metainfo.digest
    assert not transfer.is_finished


async def test_a_seed_gives_what_it_can_read_again(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _), (other, _) = [await libtorrent_node() for _ in range(3)]
    blob.seed(seed)
    unread = asyncio.Event()
    seed.on_read_error(lambda _: unread.set())
    half_a_file(blob.path)
    fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    async with asyncio.timeout(10):
        await unread.wait()
        blob.path.write_bytes(blob.data)
        assert await other.fetch(blob.metainfo, tmp_path / "again", [peer]).complete() == blob.tree


async def test_what_is_still_being_fetched_is_no_read_error_of_a_seed(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    unread = []
    fetcher.on_read_error(unread.append)
    (tmp_path / "in the way").write_bytes(b"a file where a directory has to be")
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "in the way" / "out", [peer])
    with pytest.raises(StorageError):
        await transfer.complete()
    assert unread == []
