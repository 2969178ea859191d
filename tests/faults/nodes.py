"""Whole nodes in the test's own process."""

import asyncio
from dataclasses import replace
from functools import partial

from p2player.config import Config, HostPort
from p2player.node import Node

_ANY = HostPort("127.0.0.1", 0)


class Nodes:
    """Nodes of one cluster, each below root."""

    def __init__(self, root):
        self._root = root
        self._running = []

    async def start(self, host="127.0.0.1"):
        """Return a node on a host of this machine that has joined the first one."""
        join = (HostPort.parse(self._running[0].cluster_address),) if self._running else ()
        directory = self._root / f"node-{len(self._running)}"
        node = await Node.start(Config(directory, _ANY, HostPort(host, 0), join, configured_only=True))
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


async def hold(node, content):
    """Bring content into node and announce it."""
    blob = await asyncio.to_thread(node.store.put, content.digest, content.data)
    await node.holdings.add([blob])
    return blob
