"""Peers that send blocks nobody asked for, and what real sessions do about them."""

import asyncio

import pytest

from p2player.swarm.port import SwarmPeer
from tests.faults import doors

SIZE = 4 << 20
PATIENCE = 30


@pytest.fixture
def blob(make_blob):
    return make_blob(SIZE)


@pytest.fixture
async def start_flooder(blob):
    """Return a function that starts a peer on host that has the blob, and sends each block of it for ever."""
    door = doors.SwarmDoor(blob, doors.endless())

    async def start(host):
        return SwarmPeer((host, await door.open(host)))

    yield start
    await door.close()


@pytest.fixture
async def seed(libtorrent_node, blob):
    """Return a peer on 127.0.0.1 that gives the blob within two seconds, so that the flooder is asked for some of it."""
    swarms, peer = await libtorrent_node()
    blob.seed(swarms)
    (handle,) = swarms._handles.values()
    handle.set_upload_limit(SIZE // 2)
    return peer


async def until_cut_off(transfer, counters):
    async with asyncio.timeout(PATIENCE):
        while not counters.dropped.get("swarm.flood"):  # noqa: ASYNC110  (nothing tells of a count)
            await asyncio.sleep(0.01)
        while transfer.progress().connected:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)


async def test_who_floods_is_cut_off_and_named_and_the_blob_comes_from_others(
    libtorrent_node, start_flooder, seed, blob, counters, tmp_path
):
    fetcher, _ = await libtorrent_node()
    flooder = await start_flooder("127.0.0.2")
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [flooder])
    await until_cut_off(transfer, counters)
    transfer.connect([seed])
    assert await transfer.complete() == blob.tree
    assert transfer.spoilt().flooders == {flooder.address}
    assert transfer.spoilt().pieces == frozenset()


async def test_who_was_cut_off_is_not_let_in_again(libtorrent_node, start_flooder, blob, counters, tmp_path):
    fetcher, _ = await libtorrent_node()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [flooder := await start_flooder("127.0.0.2")])
    await until_cut_off(transfer, counters)
    transfer.handle.connect_peer(flooder.address)
    await asyncio.sleep(1.5)  # libtorrent tries again after one
    assert counters.dropped["swarm.flood"] == 1


async def test_the_others_on_the_host_of_a_flooder_give_what_they_have(
    libtorrent_node, start_flooder, seed, blob, counters, tmp_path
):
    fetcher, _ = await libtorrent_node()
    flooder = await start_flooder("127.0.0.1")
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [flooder, seed])
    assert await transfer.complete() == blob.tree
    assert transfer.spoilt().flooders == {flooder.address}
    assert counters.dropped["swarm.flood"]


async def test_nodes_that_trade_what_they_have_are_not_taken_for_flooders(
    libtorrent_node, seed, blob, counters, tmp_path
):
    nodes = [await libtorrent_node() for _ in range(4)]
    peers = [seed, *(SwarmPeer(peer.address, is_seed=False) for _, peer in nodes)]
    transfers = [swarms.fetch(blob.metainfo, tmp_path / f"{n}", peers) for n, (swarms, _) in enumerate(nodes)]
    assert [await transfer.complete() for transfer in transfers] == [blob.tree] * len(nodes)
    assert "swarm.flood" not in counters.dropped
