"""Whole nodes in the test's own process."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from p2player.config import Config, HostPort
from p2player.node import Node

_ANY = HostPort("127.0.0.1", 0)


class Nodes:
    """Nodes of one cluster, each below root and with these options."""

    def __init__(self, root, **options):
        self._root = root
        self._options = options
        self._running = []

    async def start(self, host="127.0.0.1"):
        """Return a node on a host of this machine that has joined the first one."""
        join = (HostPort.parse(self._running[0].cluster_address),) if self._running else ()
        directory = self._root / f"node-{len(self._running)}"
        config = Config(directory, _ANY, HostPort(host, 0), join, configured_only=True, **self._options)
        node = await Node.start(config)
        self._running.append(node)
        async with asyncio.timeout(30):
            while join and not node.dht.contacts():  # noqa: ASYNC110  (another node's doing)
                await asyncio.sleep(0.02)
        return node

    async def move(self, node, host):
        """Return what has taken the place of a node, at another host; it has not told the others, and knows none of them."""
        node.dht._announcer.farewell = partial(asyncio.sleep, 0)
        await node.close()
        (node.config.data_dir / "dht.state").unlink()
        moved = await Node.start(replace(node.config, cluster=HostPort(host, 0), join=()))
        self._running[self._running.index(node)] = moved
        return moved

    async def close(self):
        for node in self._running:
            await node.close()


@asynccontextmanager
async def acquainted(root, count, **options):
    """Yield so many nodes of one cluster, once they all know each other."""
    nodes = Nodes(root, **options)
    try:
        running = [await nodes.start() for _ in range(count)]
        async with asyncio.timeout(20):
            while any(len(node.dht.contacts()) < count - 1 for node in running):  # noqa: ASYNC110  (the nodes' doing)
                await asyncio.sleep(0.02)
        yield running
    finally:
        await nodes.close()


async def hold(node, content):
    """Bring content into node and announce it."""
    blob = await asyncio.to_thread(node.store.put, content.digest, content.data)
    await node.holdings.add([blob])
    return blob
