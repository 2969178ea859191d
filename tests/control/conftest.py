import asyncio

import pytest

from p2player.control.client import ControlClient
from p2player.control.memory import MemoryDaemon
from p2player.control.server import ControlServer
from p2player.oci.destination import open_destination


@pytest.fixture
async def daemon(tmp_path):
    """A daemon that listens on its control socket; `daemon.server` can be closed early."""
    daemon = MemoryDaemon(tmp_path / "data")
    daemon.server = ControlServer(daemon)
    await daemon.server.start()
    yield daemon
    await daemon.server.close()
    daemon.store.close()


@pytest.fixture
async def client(daemon):
    async with ControlClient(daemon.config.data_dir) as client:
        yield client


@pytest.fixture
def eventually():
    """Wait until a condition that depends on the daemon's own tasks holds."""

    async def wait(condition):
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110  (what it waits for has no event)
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def layout(tmp_path, daemon):
    """Write an image that is elsewhere to an image layout, under a name, and return the layout's spec."""

    def write(root, name, directory="layout"):
        destination = open_destination(f"oci:{tmp_path / directory}")
        destination.begin(name, root, [root])
        for child in root.children:
            with destination.writer(child) as writer:
                writer.write(daemon.images.elsewhere[child.digest])
        destination.commit()
        return f"oci:{tmp_path / directory}"

    return write
