import asyncio
import os

import pytest

from p2player.errors import DigestMismatch, TransferStalled
from p2player.oci.digest import Digest
from p2player.pull.chain.growing import Growing

DATA = os.urandom(300_000)
SEGMENT = 128 * 1024
"""Bytes of the largest segments."""


@pytest.fixture
def growing(tmp_path):
    growing = Growing(tmp_path / "blob", len(DATA), "sha256")
    with growing.held():
        yield growing


async def test_what_was_taken_is_in_the_file_and_hashed(growing, tmp_path):
    await growing.append(DATA[:1])
    await growing.append(DATA[1:])
    assert growing.digest == Digest.of(DATA)
    assert (tmp_path / "blob").read_bytes() == DATA


async def test_readers_get_bytes_as_they_come_and_wait_for_the_rest(growing):
    reading = asyncio.gather(growing.read(0, len(DATA)), growing.read(50, 60))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await growing.append(DATA[:55])
    assert await reading == [DATA[:55], DATA[50:55]]
    assert await growing.read(10, 20) == DATA[10:20]


@pytest.mark.parametrize(("length", "times"), [(1, 0), (SEGMENT, 0), (SEGMENT + 1, 1)])
async def test_only_more_than_a_segment_is_handed_to_another_thread(growing, monkeypatch, length, times):
    handed, loop = [], asyncio.get_running_loop()
    run = loop.run_in_executor
    monkeypatch.setattr(loop, "run_in_executor", lambda *args: handed.append(args) or run(*args))
    await growing.append(DATA[:length])
    assert len(handed) == times


async def test_more_than_the_blob_has_is_refused_and_not_written(growing, tmp_path):
    await growing.append(DATA[:-1])
    with pytest.raises(DigestMismatch):
        await growing.append(b"xx")
    assert growing.offset == len(DATA) - 1
    assert (tmp_path / "blob").read_bytes() == DATA[:-1]


async def test_all_who_wait_are_told_why_nothing_comes(growing):
    await growing.append(DATA[:10])
    waiting = asyncio.gather(growing.read(10, 20), return_exceptions=True)
    await asyncio.sleep(0.1)
    growing.fail(error := TransferStalled("gone"))
    growing.fail(TransferStalled("what follows from it"))
    assert await waiting == [error]
    assert await growing.read(0, 10) == DATA[:10], "what is here is here"


async def test_it_is_open_until_the_last_one_lets_go(tmp_path):
    growing = Growing(tmp_path / "blob", len(DATA), "sha256")
    with growing.held():
        await growing.append(DATA)
        with growing.held():
            pass
        (tmp_path / "blob").unlink()
        assert await growing.read(0, 5) == DATA[:5]
    with pytest.raises(TransferStalled):
        await growing.read(0, 5)


async def test_a_writer_that_is_cancelled_has_written_what_it_began(growing, tmp_path):
    writing = asyncio.ensure_future(growing.append(DATA[: 2 * SEGMENT]))  # noqa: TID251  (it is cancelled below)
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    assert growing.offset == len((tmp_path / "blob").read_bytes()) == 2 * SEGMENT
    await growing.append(DATA[growing.offset :])
    assert growing.digest == Digest.of(DATA)


@pytest.mark.parametrize(("changed", "is_front"), [(None, True), (0, False), (999, False), (1000, True)])
async def test_it_tells_whether_a_file_begins_with_what_was_taken(growing, tmp_path, changed, is_front):
    await growing.append(DATA[:1000])
    content = bytearray(DATA)
    if changed is not None:
        content[changed] ^= 1
    (tmp_path / "other").write_bytes(content)
    assert growing.is_front_of(tmp_path / "other") is is_front
