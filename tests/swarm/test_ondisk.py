import asyncio

import pytest

from p2player.errors import StorageError
from p2player.swarm.ondisk import OnDisk


class Handle:
    """A torrent handle that counts how often it was to flush its cache."""

    def __init__(self):
        self.flushes = 0

    def flush_cache(self):
        self.flushes += 1


@pytest.fixture
def handle():
    return Handle()


@pytest.fixture
def have():
    return set()


@pytest.fixture
def on_disk(handle, have):
    return OnDisk(handle, have, "test")


async def at_once():
    pass


async def never():
    await asyncio.get_running_loop().create_future()


async def start(awaitable):
    task = asyncio.get_running_loop().create_task(awaitable)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_what_is_verified_after_a_flush_began_is_not_in_the_file_when_it_ends(on_disk, handle, have):
    have.update({0, 1, 3})
    flushing = await start(on_disk.flush(at_once))
    have.add(2)
    assert 0 not in on_disk
    on_disk.on_flushed()
    await flushing
    assert handle.flushes == 1
    assert [index in on_disk for index in range(4)] == [True, True, False, True]
    assert (on_disk.first_missing(0), on_disk.first_missing(3)) == (2, 4)


async def test_a_flush_waits_a_while_for_more_unless_there_is_none(on_disk, handle):
    flushing = await start(on_disk.flush(never))
    assert handle.flushes == 0
    while not handle.flushes:  # noqa: ASYNC110  (nothing tells of it)
        await asyncio.sleep(0.01)
    on_disk.on_flushed()
    await flushing


async def test_another_torrent_flushes_what_the_last_one_was_asked_to(on_disk, have):
    have.add(0)
    flushing = await start(on_disk.flush(at_once))
    on_disk.go_on(handle := Handle())
    assert handle.flushes == 1
    on_disk.on_flushed()
    await flushing
    assert 0 in on_disk


async def test_another_torrent_is_not_asked_for_what_nobody_waits_for(on_disk, have):
    have.add(0)
    flushing = await start(on_disk.flush(at_once))
    on_disk.on_flushed()
    await flushing
    on_disk.go_on(handle := Handle())
    assert handle.flushes == 0
    assert 0 in on_disk


async def test_who_waits_for_a_flush_is_told_what_it_failed_of(on_disk, handle):
    flushing = await start(on_disk.flush(at_once))
    on_disk.fail(StorageError("no disk"))
    with pytest.raises(StorageError):
        await flushing
    with pytest.raises(StorageError):
        await on_disk.flush(at_once)
    assert handle.flushes == 1
