import asyncio
from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2player.errors import BlobNotFound, DigestMismatch, P2PlayerError, TransferStalled
from p2player.pull.blob import HELD_BACK, RemoteBlob, StoredFile
from p2player.pull.fetch.holders import Lead, Sighting
from p2player.store import states


class Reader:
    """Reads a blob in the background and keeps what it gets."""

    def __init__(self, opened, start=0, stop=None):
        self.got = b""
        self.error = None
        self._stop = opened.size if stop is None else stop
        self._reading = asyncio.gather(self._read(opened, start))

    async def _read(self, opened, start):
        try:
            async for chunk in opened.read(start, self._stop):
                self.got += chunk
        except P2PlayerError as error:
            self.error = error

    async def end(self):
        await self._reading
        return self


async def test_a_held_blob_is_read_from_its_file(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    opened = await node.images.blob(blob.digest)
    assert isinstance(opened, StoredFile)
    assert opened.path == node.store.path(blob.digest)
    assert await node.read(blob.digest, 10, 500_000) == blob.data[10:500_000]


@pytest.mark.usefixtures("either_way")
async def test_to_open_a_blob_moves_no_byte_of_it(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    opened = await node.images.blob(blob.digest)
    assert isinstance(opened, RemoteBlob)
    assert (opened.digest, opened.size, opened.path) == (blob.digest, len(blob.data), None)
    await asyncio.sleep(1)
    assert node.flights.get(blob.digest) is None


@pytest.mark.usefixtures("either_way")
@given(st.lists(st.integers(0, 1_000_000), min_size=2, max_size=5).map(sorted))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_range_is_what_it_should_be(cluster, make_blob, cuts):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    for start, stop in pairwise(cuts):
        assert await node.read(blob.digest, start, stop) == blob.data[start:stop]


@pytest.mark.usefixtures("either_way")
async def test_a_reader_gets_its_last_bytes_only_after_the_whole_digest_matched(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with cluster.holding_back(seed, blob.metainfo.piece_count - 1):
        reader = Reader(await node.images.blob(blob.digest))
        await asyncio.sleep(1)
        assert 0 < len(reader.got) <= len(blob.data) - HELD_BACK
        assert blob.data.startswith(reader.got)
        early = Reader(await node.images.blob(blob.digest), 0, 200_000)
        await asyncio.sleep(1)
        assert len(early.got) == 200_000 - HELD_BACK, "also the last bytes of a part"
    assert (await reader.end()).got == blob.data
    assert (await early.end()).got == blob.data[:200_000]


@pytest.mark.usefixtures("either_way")
async def test_a_reader_of_a_lie_never_gets_its_last_bytes_but_an_error(cluster, make_blob):
    liar, node = cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    await liar.lie(blob.digest, lie.data)
    reader = await Reader(await node.images.blob(blob.digest)).end()
    assert isinstance(reader.error, P2PlayerError)
    assert len(reader.got) <= len(lie.data) - HELD_BACK
    assert node.store.get(blob.digest) is None


@pytest.mark.usefixtures("either_way")
async def test_a_reader_of_a_failed_attempt_is_not_completed_by_a_later_good_one(cluster, make_blob, monkeypatch):
    monkeypatch.setattr(states, "usable", lambda: False)  # or there would be no failed attempt
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    for liar in liars:
        await liar.lie(blob.digest, lie.data)
    await honest.add(blob.data)
    deceived = await Reader(await node.images.blob(blob.digest)).end()
    assert isinstance(deceived.error, DigestMismatch)
    assert lie.data.startswith(deceived.got)
    assert len(deceived.got) <= len(lie.data) - HELD_BACK
    again = await Reader(await node.images.blob(blob.digest)).end()
    assert (again.error, again.got) == (None, blob.data)


async def test_a_reader_that_comes_between_two_attempts_waits_for_the_second(cluster, make_blob):
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(seed=2)
    for liar in liars:
        await liar.lie(blob.digest, lie.data)
    await honest.add(blob.data)
    with cluster.holding_back(honest):
        await Reader(await node.images.blob(blob.digest)).end()
        reader = Reader(await node.images.blob(blob.digest))
        await asyncio.sleep(0.5)
        assert (reader.got, reader.error) == (b"", None)
    assert (await reader.end()).got == blob.data


@pytest.mark.usefixtures("either_way")
async def test_a_reader_that_starts_after_the_blob_has_landed_reads_the_file(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    opened = await node.images.blob(blob.digest)
    await node.read(blob.digest)
    assert (await Reader(opened).end()).got == blob.data
    assert node.counters.bytes["peer"] == len(blob.data), "nothing is fetched twice"
    assert node.swarms.served == {blob.metainfo.infohash}


async def test_a_blob_removed_while_it_is_opened_is_not_found(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    opened = await node.images.blob(blob.digest)
    node.store.remove([blob.digest])
    assert isinstance((await Reader(opened).end()).error, BlobNotFound)


async def test_a_blob_removed_while_it_is_read_is_read_to_its_end(cluster, make_blob):
    node = cluster.add()
    blob = make_blob(3_000_000)
    await node.add(blob.data)
    opened = await node.images.blob(blob.digest)
    chunks = opened.read(0, opened.size)
    first = await anext(chunks)
    node.store.remove([blob.digest])
    assert first + b"".join([chunk async for chunk in chunks]) == blob.data


async def test_a_file_cut_short_is_an_error_and_not_a_short_blob(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    opened = await node.images.blob(blob.digest)
    node.store.path(blob.digest).write_bytes(blob.data[:1000])
    reader = await Reader(opened).end()
    assert isinstance(reader.error, DigestMismatch)
    assert "p2player verify" in reader.error.hint


class _EndingAttempt:
    """An attempt whose transfer ends while a reader waits for its second piece: the blob is a file by then, or never."""

    def __init__(self, blob, failure=None):
        self.size = len(blob.data)
        self.is_verified = False
        self._blob = blob
        self.failure = failure

    def held(self):
        return nullcontext()

    async def read(self, offset, stop, *, urgent):
        if offset == 0:
            return self._blob.data[:1000]
        self.is_verified = self.failure is None
        raise TransferStalled("the transfer has ended")

    async def verified(self):
        if self.failure:
            raise self.failure


def _remote(blob, attempt, path):
    async def at_once(after):
        if after and attempt.failure:
            raise attempt.failure
        return attempt

    async def landed():
        return SimpleNamespace(size=attempt.size)

    flights = SimpleNamespace(join=lambda *_: nullcontext(SimpleNamespace(attempt=at_once, landed=landed)))
    return RemoteBlob(Lead(blob.digest, attempt.size, Sighting()), flights, path)


async def test_a_slow_reader_goes_on_with_the_file_when_the_transfer_ends_under_it(make_blob, tmp_path):
    blob = make_blob()
    (tmp_path / "blob").write_bytes(blob.data)
    reader = await Reader(_remote(blob, _EndingAttempt(blob), tmp_path / "blob")).end()
    assert (reader.got, reader.error) == (blob.data, None)


async def test_a_slow_reader_of_a_transfer_that_failed_is_told_why_it_did(make_blob, tmp_path):
    blob = make_blob()
    failure = DigestMismatch("a lie")
    reader = await Reader(_remote(blob, _EndingAttempt(blob, failure), tmp_path / "none")).end()
    assert (reader.got, reader.error) == (blob.data[:1000], failure)
