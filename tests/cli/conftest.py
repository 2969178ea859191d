import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from p2player.cli import main
from p2player.control.memory import MemoryDaemon
from p2player.control.server import ControlServer
from p2player.oci.destination import open_destination


@pytest.fixture
def call(monkeypatch):
    """Run the command line in this process and return its exit code."""
    for variable in ("P2PLAYER_DATA_DIR", "P2PLAYER_CONFIG", "P2PLAYER_JOIN", "P2PLAYER_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("P2PLAYER_CONFIGURED_ONLY", "1")  # also for a node of the command's own

    def call(*arguments):
        # In a thread of its own: `asyncio.run` would take the loop away that pytest's plugins keep in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(main, [str(argument) for argument in arguments]).result()

    return call


@pytest.fixture
def run(call, capsys):
    """Run the command line and return its exit code and what it wrote."""

    def run(*arguments):
        code = call(*arguments)
        written = capsys.readouterr()
        return SimpleNamespace(
            code=code,
            out=written.out,
            err=written.err,
            objects=[json.loads(line) for line in written.out.splitlines()] if "--json" in arguments else None,
        )

    return run


@pytest.fixture
def daemon(tmp_path):
    """A daemon that listens on the control socket of tmp_path/data, in a thread and loop of its own."""
    ready = threading.Event()
    box = SimpleNamespace()

    async def serve():
        box.loop, box.stop = asyncio.get_running_loop(), asyncio.Event()
        box.daemon = MemoryDaemon(tmp_path / "data")
        server = ControlServer(box.daemon)
        await server.start()
        ready.set()
        await box.stop.wait()
        await server.close()
        box.daemon.store.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield box.daemon
    box.loop.call_soon_threadsafe(box.stop.set)
    thread.join(30)


@pytest.fixture
def ask(run, daemon):
    """Run a verb that speaks to the daemon."""

    def ask(*arguments):
        return run(*arguments, "--data-dir", daemon.config.data_dir)

    return ask


@pytest.fixture
def layout(tmp_path, daemon):
    """An image layout with the image docker.io/library/app:1; its root is `layout.root`."""
    root = daemon.images.publish("docker.io/library/app:1", {"linux/amd64": b"layer"})
    destination = open_destination(f"oci:{tmp_path / 'layout'}")
    destination.begin("docker.io/library/app:1", root, [root])
    for child in root.children:
        with destination.writer(child) as writer:
            writer.write(daemon.images.elsewhere[child.digest])
    destination.commit()
    return SimpleNamespace(spec=f"oci:{tmp_path / 'layout'}", root=root)
