"""Nodes that alone announce a blob, and have made it up between them. Whole nodes in one process, and a registry that has it."""

import asyncio
import time

import pytest

from p2player.oci.reference import Repository
from p2player.swarm.metainfo import Metainfo
from p2player.upstream.settings import UpstreamSettings
from tests.faults.contents import Content
from tests.faults.nodes import acquainted
from tests.faults.origin import PacedRegistry
from tests.madeup import MadeUp
from tests.wrongbytes import require_same

APP = Repository.of("registry.test", "team/app")
SIZE = 8 << 20
RATE = 2 << 20
"""Bytes a second that the registry sends, and all liars together: whatever is fetched once takes four seconds."""
LOADED = 0.5
"""Seconds that a machine with other work may add."""
SEED = 30
PATIENCE = 20


@pytest.fixture
def contents():
    """Return a blob about which nobody lies, and another."""
    return Content.random(SEED, SIZE), Content.random(SEED + 1, SIZE)


@pytest.fixture
async def nodes(tmp_path, contents):
    """Return four of them, who know each other."""
    async with PacedRegistry(RATE, *(content.data for content in contents)) as registry:
        upstream = UpstreamSettings(APP.registry, (registry.url,))
        async with acquainted(tmp_path, 4, upstreams=(upstream,)) as nodes:
            yield nodes


async def lie(liar, content, made_up, rate, monkeypatch):
    """Let a node announce what it has made up, and give it in its swarm and to who follows, so many bytes a second."""
    path = liar.config.data_dir / "lie"
    path.write_bytes(made_up.data)
    metainfo = Metainfo(content.digest, SIZE, made_up.root, liar.holdings._realms()[0])
    liar.swarms.seed(metainfo, path, made_up.piece_layer)
    for handle in liar.swarms._handles.values():
        handle.set_upload_limit(int(rate))
    relay = MadeUp(liar.identity, content.digest, made_up.data, rate)
    monkeypatch.setattr(liar.images._parts.relays, "relay", lambda digest: relay if digest == content.digest else None)
    await liar.dht.announce(content.digest, SIZE, made_up.root, complete=True)


async def land(node, content):
    """Return how many seconds it takes to fetch a blob, which has to be the right one."""
    began = time.monotonic()
    blob = await node.images.blob(content.digest, APP)
    with blob.join() as flight:
        await flight.landed()
    require_same(node.store.path(content.digest).read_bytes(), content.data)
    return time.monotonic() - began


@pytest.mark.parametrize("count", [1, 3])
async def test_what_liars_alone_announce_costs_less_than_half_of_the_honest_time(nodes, contents, monkeypatch, count):
    *liars, node = nodes
    known, lied_about = contents
    honest = await land(node, known)
    for liar in liars[:count]:
        await lie(liar, lied_about, Content.random(SEED + 2, SIZE), RATE / count, monkeypatch)
    async with asyncio.timeout(PATIENCE):
        while len(await node.dht.find(lied_about.digest)) < count:  # noqa: ASYNC110  (other nodes' doing)
            await asyncio.sleep(0.05)
    lied_to = await land(node, lied_about)
    print(f"seed {SEED}: honest {honest:.2f} s, lied to {lied_to:.2f} s")  # noqa: T201
    assert lied_to <= 1.5 * honest + LOADED
    async with asyncio.timeout(PATIENCE):
        while node.store.bans() != {liar.identity.node_id.raw for liar in liars[:count]}:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.05)
