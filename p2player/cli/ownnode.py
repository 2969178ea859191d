"""A node for as long as one command takes, where this machine runs none."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from p2player.config import Config, HostPort
from p2player.control.client import ControlClient
from p2player.control.writing import directory_of
from p2player.errors import BadInput, DaemonUnreachable
from p2player.node import Node


@asynccontextmanager
async def daemon_or_own_node(config: Config, destination: str | None, *, alone: bool) -> AsyncIterator[ControlClient]:
    """Talk to the daemon or, if none answers and config names nodes to join, to a node started for this.

    That node keeps its blobs beside the destination, where there must be space for them anyway, and removes them.
    `alone`: it needs to join nobody. Raises DaemonUnreachable, BadInput, and what Node.start raises.
    """
    async with ControlClient(config.data_dir) as daemon:
        try:
            await daemon.status()
        except DaemonUnreachable as error:
            if not (config.join or alone):
                hint = "start one with `p2player serve`, or fetch without one: --join HOST:PORT --output DEST"
                raise DaemonUnreachable(error.message, hint=hint) from error
        else:
            yield daemon
            return
    if destination is None:
        raise BadInput("without a daemon here there is nowhere to keep it", hint="say where: --output DEST")
    with tempfile.TemporaryDirectory(prefix=".p2player-", dir=directory_of(destination)) as directory:
        own = replace(
            config,
            data_dir=Path(directory),
            registry=HostPort("127.0.0.1", 0),
            cluster=replace(config.cluster, port=0),
        )
        node = await Node.start(own)
        try:
            async with ControlClient(own.data_dir) as daemon:
                yield daemon
        finally:
            await node.close()
