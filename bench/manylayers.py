"""What a node with many layers costs while nobody asks it for anything, and how soon it is back after a restart."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from bench.figures import MIB, PERCENT, SECONDS, AtMost, Figure, Outcome, Samples
from bench.workspace import Workspace
from netsim.emulate.asking import status_of
from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import ProgramError, wait_until
from netsim.emulate.usage import cpu_seconds, resident
from netsim.sizes import KIB

_LAYERS: Final = 2000
_LAYER_SIZE: Final = 300 * KIB  # large enough for each to be a torrent of its own
_WATCHED: Final = 10.0  # seconds
_CALM: Final = 5.0  # percent of a core
_CALM_WITHIN: Final = 120  # seconds
_READY_WITHIN: Final = 60  # seconds


def many_layers(workspace: Workspace) -> Iterator[Outcome]:
    """Yield memory, idle CPU and restart time of a node with many layers and one neighbour."""
    subject = f"{_LAYERS} layers"
    workspace.say(f"many-layers: making and seeding {subject}")
    blobs = [workspace.blob(_LAYER_SIZE) for _ in range(_LAYERS)]
    with workspace.daemon() as neighbour, workspace.daemon(join=[neighbour.cluster]) as node:
        node.p2player("seed", *(str(blob.path) for blob in blobs))
        for blob in blobs:
            blob.path.unlink()
        restarts = []
        for number in range(1, workspace.runs + 1):
            workspace.say(f"many-layers: restart {number} of {workspace.runs}")
            node.stop()
            began = time.perf_counter()
            node.start()
            # Asked from here, since a client process would take a good part of the time measured.
            wait_until(lambda: asyncio.run(status_of(node.data_dir)), "the node", timeout=_READY_WITHIN)
            restarts.append(time.perf_counter() - began)
        node.wait()
        workspace.say("many-layers: watching it idle")
        _wait_until_calm(node)
        idle = _busy_percent(node, _WATCHED)
        yield Figure(f"{subject}: memory", MIB, Samples.of([resident(node.pid) / (1 << 20)]), target=AtMost(250))
        yield Figure(f"{subject}: idle, of a core", PERCENT, Samples.of([idle]), target=AtMost(2))
        yield Figure(f"{subject}: restart to ready", SECONDS, Samples.of(restarts), target=AtMost(5))


def _wait_until_calm(node: Daemon) -> None:
    """Return when the node has told its neighbour of everything it holds."""
    deadline = time.monotonic() + _CALM_WITHIN
    while _busy_percent(node, 1.0) > _CALM:
        if time.monotonic() > deadline:
            raise ProgramError(f"the node is still busy after {_CALM_WITHIN} s\n{node.log}")


def _busy_percent(node: Daemon, seconds: float) -> float:
    """Return how much of a core the node takes over the next seconds."""
    before = cpu_seconds(node.pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(node.pid) - before) / seconds
