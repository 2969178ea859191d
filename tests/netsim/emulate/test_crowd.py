import gc
import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from netsim.emulate.crowd import emulate
from netsim.emulate.needs import CannotEmulateError, missing, not_root
from netsim.emulate.processes import ProgramError
from netsim.scenarios.bound import minimum_time
from netsim.scenarios.network import Network, alike
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Goals, Image, Kill, Pull, Rollout
from netsim.sizes import MIB

RATE = 100.0
OPTIONS = Options(nodes=4, size=4 * MIB, rate=RATE)

needs_links = pytest.mark.skipif(
    bool(not_root() or missing("ip", "tc", "docker-registry", "skopeo")),
    reason="needs root, iproute2, docker-registry and skopeo",
)


@pytest.fixture
def nothing_is_left(tmp_path, monkeypatch):
    """Whatever becomes of a rollout, no process, namespace, mount or file of it outlives it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children(), mounts()
    handler = signal.getsignal(signal.SIGTERM)
    yield
    gc.collect()  # frames that an interrupt has left, lest they end in the middle of something else
    assert (children(), mounts()) == before
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not list(tmp_path.iterdir())


def children():
    """The processes that this one has started, among them those that hold namespaces."""
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def mounts():
    return Path("/proc/self/mounts").read_text()


def crowd(count, size, *, faults=(), holders=None):
    """Nodes that pull at once, from the registry unless one of them has it."""
    network = Network(alike(count, RATE), registry=None if holders else RATE)
    sources = [0] if holders else []
    nodes = [node for node in range(count) if node not in sources]
    bound = minimum_time(size, network, sources=sources, nodes=nodes)
    return Rollout(
        "test",
        "?",
        network,
        (Image((size // 2, size // 2)),),
        tuple(map(Pull, nodes)),
        bound,
        holders=holders or {},
        faults=faults,
        goals=Goals(),
    )


@needs_links
def test_a_crowd_gets_what_the_registry_has_and_nobody_waits_for_who_dies(nothing_is_left):
    said = []
    run = emulate(crowd(4, OPTIONS.size, faults=[Kill(0.0, (3,))]), OPTIONS, tell=said.append)

    assert said[-1] == "done"
    *living, dead = run.pulls
    assert [pull.node for pull in run.pulls] == [0, 1, 2, 3]
    assert dead.is_lost
    assert dead.ended is None
    assert all(pull.ended > pull.began >= 0 and not pull.is_lost and not pull.reason for pull in living)
    assert max(pull.ended for pull in living) > 0.9 * OPTIONS.size * 8 / (RATE * 1e6)
    (copies,) = run.upstream
    assert 1.0 <= copies < 3
    *living, dead = run.traffic
    for node in living:
        assert OPTIONS.size < node.received < 2 * OPTIONS.size + MIB
        assert 0 < node.control < node.received - OPTIONS.size
    assert dead.received < OPTIONS.size / 2
    assert 0 < run.busy <= 110
    assert (run.scenario, run.half, run.options) == ("test", "emulate", OPTIONS)


def broken():
    raise ProgramError("a node has ended")


@needs_links
@pytest.mark.parametrize(
    ("interrupt", "error"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGTERM), KeyboardInterrupt),
        (broken, ProgramError),
    ],
    ids=["SIGTERM", "an error"],
)
def test_nothing_is_left_of_a_rollout_that_is_ended_halfway(nothing_is_left, interrupt, error):
    def tell(text):
        if "pulls" in text:
            interrupt()

    with pytest.raises(error):
        emulate(replace(crowd(1, MIB, holders={0: (0,)}), holders={}), OPTIONS, tell=tell)


def test_who_is_not_root_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotEmulateError, match="only root") as raised:
        emulate(crowd(1, MIB), OPTIONS, tell=print)
    assert "sudo" in raised.value.hint


def test_tools_that_are_not_installed_are_named_with_their_package(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("netsim.emulate.needs._PATH", "/nowhere")
    with pytest.raises(CannotEmulateError, match="docker-registry") as raised:
        emulate(crowd(1, MIB), OPTIONS, tell=print)
    assert raised.value.hint == "on Debian: apt install docker-registry iproute2 skopeo util-linux"


def test_links_that_lose_datagrams_are_refused(monkeypatch):
    monkeypatch.setattr("netsim.emulate.crowd.require", lambda *_: None)
    lossy = Rollout("lossy", "?", Network(alike(1, 1.0), loss=0.1), (), (), 1.0)
    with pytest.raises(CannotEmulateError, match="lossy"):
        emulate(lossy, OPTIONS, tell=print)
