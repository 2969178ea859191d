import asyncio

import pytest

from p2player.errors import DigestMismatch, DiskFull, P2PlayerError, StoreDamaged, TransferStalled
from p2player.pull.fetch.attempt import Attempt
from p2player.swarm.metainfo import Metainfo


@pytest.fixture
def begin():
    """Begin an attempt at a blob of one node by another."""

    def run(blob, node, *holders, metainfo=None):
        return Attempt(metainfo or blob.metainfo, [holder.holder() for holder in holders], node.store, node.swarms)

    return run


async def test_it_ends_with_the_blob_in_the_store_and_seeded_from_there(cluster, make_blob, begin):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    attempt = begin(blob, node, seed)
    assert not attempt.is_verified
    stored = await attempt.run()
    assert attempt.is_verified
    await attempt.verified()
    assert (stored.digest, stored.size, stored.root) == (blob.digest, len(blob.data), blob.metainfo.root)
    assert node.store.piece_layer(blob.digest) == seed.store.piece_layer(blob.digest)
    assert node.staged() == []
    assert node.swarms.serve(blob.metainfo, 3) == seed.swarms.serve(blob.metainfo, 3)


async def test_a_reader_gets_parts_of_pieces_before_the_end(cluster, make_blob, begin):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    length = blob.metainfo.piece_length
    with cluster.net.holding_back(seed.address, 3):
        attempt = begin(blob, node, seed)
        running = asyncio.gather(attempt.run())
        assert await attempt.read(0, 10, urgent=True) == blob.data[:10]
        assert await attempt.read(length - 5, length + 5, urgent=False) == blob.data[length - 5 : length + 5]
        assert await attempt.read(length, 2 * length + 1, urgent=False) == blob.data[length : 2 * length]
        assert not attempt.is_verified
        assert attempt.progress().done <= 3 * length
    await running


async def test_an_urgent_piece_comes_before_those_in_order(cluster, make_blob, begin):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    attempt = begin(blob, node, seed)
    at = 12 * blob.metainfo.piece_length
    assert await attempt.read(at, at + 4, urgent=True) == blob.data[at : at + 4]
    assert attempt.progress().done < at
    await attempt.run()


async def test_other_bytes_than_the_digest_says_are_not_kept_and_no_reader_is_completed(cluster, make_blob, begin):
    liar, node = cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    await liar.lie(blob.digest, lie.data)
    claimed = Metainfo(blob.digest, len(lie.data), lie.metainfo.root, blob.metainfo.realm)
    attempt = begin(blob, node, liar, metainfo=claimed)
    waiting = asyncio.gather(attempt.verified(), return_exceptions=True)
    with pytest.raises(DigestMismatch, match="what was fetched"):
        await attempt.run()
    assert [type(outcome) for outcome in await waiting] == [DigestMismatch]
    assert not attempt.is_verified
    with pytest.raises(P2PlayerError):
        await attempt.verified()
    with pytest.raises(DigestMismatch):
        await attempt.read(0, 10, urgent=True)
    assert node.store.blobs() == []
    assert node.staged() == []
    assert node.swarms.served == frozenset()


async def test_a_disk_that_gives_back_other_bytes_is_told_and_nobody_is_taken_for_a_liar(
    cluster, make_blob, begin, monkeypatch
):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    hash_file = Attempt._hash_file

    def rot(attempt, hasher, first, behind):
        with attempt._staged.path.open("r+b") as file:
            file.write(b"rotten")
        hash_file(attempt, hasher, first, behind)

    monkeypatch.setattr(Attempt, "_hash_file", rot)
    with pytest.raises(StoreDamaged, match="disk") as caught:
        await begin(blob, node, seed).run()
    assert caught.value.hint
    assert node.staged() == []
    assert node.store.blobs() == []


async def test_given_up_it_leaves_nothing_behind_and_tells_its_readers(cluster, make_blob, begin):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.net.holding_back(seed.address, 3):
        attempt = begin(blob, node, seed)
        running = asyncio.gather(attempt.run(), return_exceptions=True)
        reader = asyncio.gather(attempt.read(900_000, 900_010, urgent=True), return_exceptions=True)
        await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [type(outcome) for outcome in await reader] == [TransferStalled]
    assert node.staged() == []
    assert node.swarms.served == frozenset()
    attempt.connect([seed.holder()])


async def test_too_large_a_blob_is_refused_before_anything_is_begun(cluster, make_blob, begin):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    with pytest.raises(DiskFull):
        begin(blob, node, seed, metainfo=Metainfo(blob.digest, 1 << 60, b"g" * 32))
    assert node.swarms.served == frozenset()
    assert node.staged() == []


async def test_a_disk_error_while_keeping_it_leaves_nothing_behind(cluster, make_blob, begin, monkeypatch):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)

    def full(*_):
        raise DiskFull("no room")

    monkeypatch.setattr(node.store, "adopt", full)
    attempt = begin(blob, node, seed)
    with pytest.raises(DiskFull):
        await attempt.run()
    assert node.staged() == []
    assert node.swarms.served == frozenset()
    assert node.store.blobs() == []
    assert attempt.is_verified, "readers need not care"
