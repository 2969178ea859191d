import asyncio

import pytest


@pytest.fixture
def connections():
    """Return how many connections a node has for a blob."""

    def connections(swarms, blob):
        return swarms._handles[blob.metainfo.infohash].status(0).num_connections

    return connections


@pytest.fixture
async def pair(libtorrent_node, blob):
    """A node that seeds the blob, and another, which knows it."""
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob.seed(seed)
    return seed, fetcher, peer


async def until(true):
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  (nothing tells when libtorrent has ended a connection)
            await asyncio.sleep(0.01)


async def test_two_nodes_that_both_have_a_blob_end_their_connection_and_others_can_still_fetch(
    pair, libtorrent_node, blob, connections, tmp_path
):
    seed, fetcher, peer = pair
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.complete()
    assert transfer.progress().received >= len(blob.data)  # a block may come twice
    await seed.end_idle()
    await until(lambda: connections(seed, blob) == connections(fetcher, blob) == 0)
    third, _ = await libtorrent_node()
    await third.fetch(blob.metainfo, tmp_path / "third", [peer]).complete()


async def test_a_node_that_still_fetches_keeps_its_connection(pair, blob, connections, tmp_path):
    seed, fetcher, peer = pair
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    transfer.handle.set_download_limit(100_000)
    await transfer.piece(0)
    await seed.end_idle()
    await fetcher.end_idle()
    assert connections(seed, blob) == connections(fetcher, blob) == 1
    transfer.handle.set_download_limit(0)
    await transfer.complete()
    # It was not forgotten meanwhile.
    await seed.end_idle()
    await until(lambda: connections(seed, blob) == 0)


async def test_a_transfer_that_is_complete_keeps_its_connection_until_its_byte_counts_were_read(
    pair, blob, connections, tmp_path
):
    _, fetcher, peer = pair
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.complete()
    await fetcher.end_idle()
    assert connections(fetcher, blob) == 1
    (tmp_path / "moved").hardlink_to(tmp_path / "out")
    await transfer.move(tmp_path / "moved")
    await fetcher.end_idle()
    await until(lambda: connections(fetcher, blob) == 0)


async def test_a_torrent_that_was_removed_is_passed_over(pair, blob, tmp_path):
    seed, fetcher, peer = pair
    await fetcher.fetch(blob.metainfo, tmp_path / "out", [peer]).complete()
    await until(lambda: seed._met)
    looking = asyncio.gather(seed.end_idle())
    await asyncio.sleep(0)
    seed.stop_seeding(blob.metainfo)
    await looking
    await seed.end_idle()
    assert not seed._met
