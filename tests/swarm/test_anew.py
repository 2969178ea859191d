"""Transfers that go on with a new torrent, by real sessions: peers are put out, and let in again or not."""

import asyncio
import os
import random

import pytest

from p2player.errors import TransferStalled
from p2player.swarm import ledger, standstill
from p2player.swarm.port import Spoilt
from p2player.swarm.realm import OPEN, Realms
from tests.swarm.conftest import NO_TLS, tls_of
from tests.wrongbytes import require_same

SIZE = 4_000_000
PATIENCE = 0.6  # seconds, in place of those of a node
SECRET = b"the secret of the cluster"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(standstill, "PATIENCE", PATIENCE)


@pytest.fixture
def blob(make_blob):
    return make_blob(SIZE)


class Disk:
    """The file that a seed gives from, spoilt from a piece on until it is mended."""

    def __init__(self, blob, path, first):
        self._blob = blob
        self.path = path
        start = first * blob.metainfo.piece_length
        path.write_bytes(blob.data[:start] + bytes(SIZE - start))

    def mend(self):
        self.path.write_bytes(self._blob.data)


@pytest.fixture
def start_spoilt(libtorrent_node, blob, tmp_path):
    """Return a function that starts a seed with a disk that is spoilt from a piece on.

    It does not notice, and does not call again by itself: it could not where those who fetch are behind an address of another.
    """

    async def start(first, name="spoilt"):
        swarms, peer = await libtorrent_node()
        swarms._session.apply_settings({"disable_hash_checks": True, "seeding_outgoing_connections": False})
        disk = Disk(blob, tmp_path / name, first)
        swarms.seed(blob.metainfo, disk.path, blob.tree.piece_layer)
        return disk, peer

    return start


async def until(true):
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.01)


async def until_put_out(transfer, *peers):
    await until(lambda: transfer._ledger._out >= {peer.address for peer in peers})


async def test_who_was_put_out_gives_the_rest_once_a_transfer_has_begun_anew(
    libtorrent_node, start_spoilt, blob, tmp_path
):
    fetcher, own = await libtorrent_node()
    disk, peer = await start_spoilt(first=20)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    spawn = asyncio.get_running_loop().create_task
    reading = [spawn(transfer.piece(index)) for index in range(len(blob.pieces))]
    writing = [spawn(transfer.written(index)) for index in (0, 30, len(blob.pieces) - 1)]
    completing = spawn(transfer.complete())
    await until_put_out(transfer, peer)
    before = transfer.progress()
    disk.mend()

    assert await completing == blob.tree
    require_same(await asyncio.gather(*reading), blob.pieces)
    assert all(upto > index for upto, index in zip(await asyncio.gather(*writing), (0, 30, 61), strict=True))
    require_same((tmp_path / "out").read_bytes(), blob.data)
    after = transfer.progress()
    assert after.done == SIZE
    assert (
        before.received < after.received < SIZE + 10 * blob.metainfo.piece_length
    )  # nothing that was right came twice
    assert transfer.spoilt().addresses == {peer.address}

    os.link(tmp_path / "out", tmp_path / "kept")
    await transfer.move(tmp_path / "kept")
    (tmp_path / "out").unlink()
    third, _ = await libtorrent_node()
    assert await third.fetch(blob.metainfo, tmp_path / "third", [own]).complete() == blob.tree


async def test_a_transfer_that_does_not_begin_anew_stands_still_for_ever(
    libtorrent_node, start_spoilt, blob, tmp_path, monkeypatch
):
    monkeypatch.setattr(ledger, "MAX_STARTS", 0)
    fetcher, _ = await libtorrent_node()
    disk, peer = await start_spoilt(first=20)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await until_put_out(transfer, peer)
    disk.mend()
    await asyncio.sleep(4 * PATIENCE)
    assert transfer.missing()
    assert transfer.progress().connected == 0


async def test_a_liar_is_let_in_once_more_and_never_again(libtorrent_node, start_spoilt, blob, counters, tmp_path):
    fetcher, _ = await libtorrent_node()
    _, peer = await start_spoilt(first=20)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await until_put_out(transfer, peer)
    first = transfer.handle
    await until(lambda: transfer.handle != first)
    second = transfer.handle
    await until_put_out(transfer, peer)
    await asyncio.sleep(PATIENCE)  # until all that it has sent by then is found wrong
    failed = counters.dropped["swarm.pieces"]
    await asyncio.sleep(4 * PATIENCE)
    assert transfer.handle == second
    assert counters.dropped["swarm.pieces"] == failed
    assert transfer.progress().connected == 0


async def test_of_several_that_were_put_out_who_gave_most_is_let_in_alone(
    libtorrent_node, start_spoilt, blob, tmp_path
):
    fetcher, _ = await libtorrent_node()
    disk, honest = await start_spoilt(first=20, name="honest")
    _, liar = await start_spoilt(first=1, name="liar")
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [honest])
    await until_put_out(transfer, honest)
    disk.mend()
    transfer.connect([liar])
    await until_put_out(transfer, honest, liar)
    assert await transfer.complete() == blob.tree
    assert transfer._ledger._let_in.keys() == {honest.address}
    require_same((tmp_path / "out").read_bytes(), blob.data)


async def test_who_was_never_put_out_goes_on_beside_the_suspect(libtorrent_node, start_spoilt, blob, tmp_path):
    (fetcher, _), (late, late_peer) = await libtorrent_node(), await libtorrent_node()
    _, peer = await start_spoilt(first=20)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer, late_peer])
    await until_put_out(transfer, peer)
    first = transfer.handle
    await until(lambda: transfer.handle != first)
    blob.seed(late)
    assert await transfer.complete() == blob.tree


async def test_a_transfer_that_nobody_was_put_out_of_only_waits(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    first = transfer.handle
    await asyncio.sleep(4 * PATIENCE)
    assert transfer.handle == first
    blob.seed(seed)
    assert await transfer.complete() == blob.tree


@pytest.mark.parametrize("tls", [NO_TLS, tls_of(SECRET)], ids=["plain", "TLS"])
async def test_readers_notice_nothing_of_it(libtorrent_node, make_blob, tmp_path, tls):
    blob = make_blob(SIZE, realm=OPEN if tls is NO_TLS else Realms(tls)()[0])
    (seed, peer), (fetcher, own) = await libtorrent_node(tls), await libtorrent_node(tls)
    blob.seed(seed)
    (handle,) = seed._handles.values()
    handle.set_upload_limit(SIZE // 3)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    numbers = random.Random(7)
    count = len(blob.pieces)

    async def read(order):
        return {index: await transfer.piece(index) for index in order}

    async def read_file():
        at, length = 0, blob.metainfo.piece_length
        while at < count:
            upto = await transfer.written(at)
            data = (tmp_path / "out").read_bytes()
            require_same(data[at * length : upto * length], blob.data[at * length : upto * length])
            at = upto

    spawn = asyncio.get_running_loop().create_task
    reading = [spawn(read(numbers.sample(range(count), count))) for _ in range(3)]
    from_file = spawn(read_file())
    completing = spawn(transfer.complete())
    times = 0
    while not transfer.is_finished:
        await asyncio.sleep(0.2 + numbers.random() / 2)
        if not transfer.is_finished:
            before = frozenset(transfer.missing())
            await fetcher._begin_anew(transfer)
            times += 1
            assert before >= frozenset(transfer.missing())
    assert times >= 2
    assert await completing == blob.tree
    for pieces in await asyncio.gather(*reading):
        require_same([pieces[index] for index in range(count)], blob.pieces)
    await from_file
    assert transfer.spoilt() == Spoilt()

    os.link(tmp_path / "out", tmp_path / "kept")
    await transfer.move(tmp_path / "kept")
    third, _ = await libtorrent_node(tls)
    assert await third.fetch(blob.metainfo, tmp_path / "third", [own]).complete() == blob.tree


async def test_pieces_from_elsewhere_are_taken_by_the_torrent_that_goes_on(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.piece(0)
    seed.stop_seeding(blob.metainfo)
    await fetcher._begin_anew(transfer)
    for index in transfer.missing():
        transfer.give(index, blob.pieces[index])
    assert await transfer.complete() == blob.tree


async def test_a_transfer_that_is_abandoned_while_it_begins_anew_leaves_nothing_behind(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.piece(0)
    beginning = asyncio.get_running_loop().create_task(fetcher._begin_anew(transfer))
    await asyncio.sleep(0)
    fetcher.abandon(transfer)
    with pytest.raises(TransferStalled):
        await beginning
    assert not fetcher._transfers
    assert not fetcher._handles
    assert await fetcher.fetch(blob.metainfo, tmp_path / "again", [peer]).complete() == blob.tree


async def test_what_is_complete_by_the_time_it_would_begin_anew_stays_as_it_is(libtorrent_node, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await until(lambda: transfer.is_finished)
    first = transfer.handle
    await fetcher._begin_anew(transfer)
    assert transfer.handle == first
    assert await transfer.complete() == blob.tree
    third, _ = await libtorrent_node()
    third.fetch(blob.metainfo, tmp_path / "third", [])
