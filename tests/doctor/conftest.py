import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from p2player.control.client import ControlClient
from p2player.control.memory import MemoryDaemon
from p2player.control.server import ControlServer
from p2player.errors import Unavailable


@pytest.fixture
async def daemon(tmp_path):
    """A daemon that listens on its control socket."""
    daemon = MemoryDaemon(tmp_path / "data")
    server = ControlServer(daemon)
    await server.start()
    yield daemon
    await server.close()
    daemon.store.close()


@pytest.fixture
async def client(daemon):
    async with ControlClient(daemon.config.data_dir) as client:
        yield client


@pytest.fixture
async def status(client):
    return await client.status()


@asynccontextmanager
async def answering(status=200):
    """A server that answers everything so; yields its HOST:PORT."""

    async def answer(_):
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def closed():
    """An address that nobody listens at for as long as the test takes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


class MemoryRuntime:
    """A runtime that pulls out of the daemon's store, unless something is said to be wrong with it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.images = set()
        self.seen = []
        self.wrong = None

    async def find(self):
        return None if self.wrong == "absent" else "1.0"

    async def pull(self, image):
        self.seen.append(image)
        if self.wrong == "refused":
            raise Unavailable("manifest unknown")
        self.images.add(image.tag)
        if self.wrong != "elsewhere":
            assert self.daemon.store.get(image.manifest.digest) is not None
            self.daemon.counters.add_bytes("local", sum(map(len, image.blobs)))

    async def remove(self, image):
        if self.wrong == "sticky":
            raise Unavailable("in use")
        if image.tag not in self.images:
            raise Unavailable("no such image")
        self.images.remove(image.tag)


@pytest.fixture
def runtime(daemon):
    return MemoryRuntime(daemon)
