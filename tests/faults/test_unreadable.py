"""Disks that cannot read what was written to them.

/proc/self/mem gives EIO to whoever reads its first bytes, as a disk does with a bad sector.
"""

import asyncio

import pytest
from aiohttp import ClientError, ClientSession

from tests.faults.contents import Content
from tests.faults.nodes import hold
from tests.wrongbytes import require_same

LARGE, SMALL = 4 << 20, 5000
PATIENCE = 30  # seconds


def spoil(node, content):
    """Let the disk of node be unable to read a blob from now on."""
    path = node.store.path(content.digest)
    path.unlink()
    path.symlink_to("/proc/self/mem")


async def get(node, content, kind="blobs"):
    """Return what a runtime is given, or None if it can tell that this is not what it asked for."""
    async with asyncio.timeout(PATIENCE), ClientSession(f"http://{node.registry_address}") as session:
        try:
            async with session.get(f"/v2/library/app/{kind}/{content.digest}") as response:
                data = await response.read()
                if response.status != 200:
                    assert "internal error" not in data.decode()
                    return None
        except ClientError:
            return None
    require_same(data, content.data)
    return data


async def gets(node, content, kind="blobs"):
    async with asyncio.timeout(PATIENCE):
        while await get(node, content, kind) is None:  # noqa: ASYNC110  (what is waited for is the scrubber's doing)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_who_reads_what_the_disk_cannot_is_cut_off_and_gets_it_from_others_after_that(start, size):
    node, other = await start(), await start()
    content = Content.random(1, size)
    await hold(node, content)
    await hold(other, content)
    spoil(node, content)
    assert await get(node, content) is None
    await gets(node, content)
    async with asyncio.timeout(PATIENCE):
        while node.store.get(content.digest) is None:  # noqa: ASYNC110  (a reader has it all before the disk has)
            await asyncio.sleep(0.05)
    assert not node.store.path(content.digest).is_symlink()


async def test_a_manifest_that_the_disk_cannot_read_comes_from_others(start):
    node, other = await start(), await start()
    content = Content.manifest(1)
    await hold(node, content)
    await hold(other, content)
    spoil(node, content)
    await gets(node, content, "manifests")


async def bad_and_good(start, content):
    """Return a node that cannot read what it announces, one that can, and one that has found both."""
    bad, good, node = await start(), await start(), await start()
    for seed in (bad, good):
        await hold(seed, content)
    spoil(bad, content)
    async with asyncio.timeout(PATIENCE):
        while len(await node.dht.find(content.digest)) < 2:  # noqa: ASYNC110  (other nodes' doing)
            await asyncio.sleep(0.05)
    return bad, good, node


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_seed_that_cannot_read_what_it_announces_keeps_nobody_from_the_others(start, size):
    content = Content.random(1, size)
    _, _, node = await bad_and_good(start, content)
    await gets(node, content)
    assert not node.store.banned()


async def test_a_seed_that_cannot_read_what_it_gives_to_a_swarm_withdraws_it(start):
    content = Content.random(1, LARGE)
    bad, _, node = await bad_and_good(start, content)
    await gets(node, content)
    async with asyncio.timeout(PATIENCE):
        while bad.store.get(content.digest) is not None:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.05)
        while bad.identity.node_id in {found.node_id for found in await node.dht.find(content.digest)}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_where_the_only_seed_cannot_read_it_there_is_an_error(start):
    seed, node = await start(), await start()
    content = Content.random(1, SMALL)
    await hold(seed, content)
    spoil(seed, content)
    assert await get(node, content) is None
    assert node.store.blobs() == []
    assert not node.store.banned()
    other = Content.random(2, SMALL)
    await hold(seed, other)
    await gets(node, other)


async def test_a_check_takes_out_what_cannot_be_read(start):
    node = await start()
    bad, good = Content.random(1, SMALL), Content.random(2, SMALL)
    for content in (bad, good):
        await hold(node, content)
    spoil(node, bad)
    found = {checked.digest: checked.ok for checked in node.store.verify()}
    assert found == {bad.digest: False, good.digest: True}
    assert [blob.digest for blob in node.store.blobs()] == [good.digest]
