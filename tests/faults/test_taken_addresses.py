"""A member takes over the address of an honest node, while that is still known to be there, and floods from it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from p2player.config import HostPort
from tests.faults import doors
from tests.faults.contents import Content
from tests.faults.nodes import hold
from tests.wiretap import wiretap
from tests.wrongbytes import require_same

SIZE = 16 << 20
BOUND = 30  # seconds
OLD, NEW = "127.0.0.2", "127.0.0.3"


@pytest.fixture
async def taken(nodes):
    """Return a function that starts a seed, a reader, and a node that moves; somebody floods the reader from where it was.

    Told are the reader, the node that has moved, and what came by where its peer interface was, if that is passed on.
    """
    async with AsyncExitStack() as stack:

        async def run(content, *, passed_on):
            seed, node, reader = await nodes.start(), await nodes.start(OLD), await nodes.start()
            for holder in (seed, node):
                await hold(holder, content)
            for handle in seed.swarms._handles.values():
                handle.set_upload_limit(doors.UPLINK)
            async with asyncio.timeout(BOUND):
                while len(await reader.dht.find(content.digest)) < 2:  # noqa: ASYNC110  (other nodes' doing)
                    await asyncio.sleep(0.05)
            left, swarm_port = HostPort.parse(node.cluster_address), node.swarms.port
            moved = await nodes.move(node, NEW)
            door = doors.SwarmDoor(content, doors.endless())
            await door.open(OLD, swarm_port)
            stack.push_async_callback(door.close)
            seen = b""
            if passed_on:
                now = HostPort.parse(moved.cluster_address)
                _, seen = await stack.enter_async_context(wiretap((now.host, now.port), left.host, left.port))
            return reader, moved, seen

        yield run


async def read_to_the_end(reader, content):
    """Let a node fetch content, and return what became of the flood that it met."""
    async with asyncio.timeout(BOUND):
        blob = await reader.images.blob(content.digest)
        with blob.join() as flight:
            await flight.landed()
        require_same(reader.store.path(content.digest).read_bytes(), content.data)
        while True:
            history = [entry.what for entry in (await reader.images.why(content.digest)).history]
            if found := [what for what in history if "nobody asked for" in what]:
                return found
            await asyncio.sleep(0.05)


async def test_where_the_flooder_does_not_answer_for_the_node_nobody_is_banned(taken):
    content = Content.random(1, SIZE)
    reader, moved, _ = await taken(content, passed_on=False)
    (found,) = await read_to_the_end(reader, content)
    assert "it does not show that it is there" in found
    assert moved.identity.node_id.short in found
    assert reader.counters.dropped["swarm.flood"]
    assert reader.store.bans() == frozenset()


async def test_where_the_flooder_passes_the_question_on_to_the_node_nobody_is_banned(taken):
    content = Content.random(2, SIZE)
    reader, moved, seen = await taken(content, passed_on=True)
    (found,) = await read_to_the_end(reader, content)
    assert found.endswith(f"but it is at {NEW}:{moved.swarms.port}")
    assert b"GET /p2p/v1/address/" in seen
    assert reader.counters.dropped["swarm.flood"]
    assert reader.store.bans() == frozenset()
