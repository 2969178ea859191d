from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from netsim.emulate.strikes import strike
from netsim.emulate.world import World
from netsim.scenarios.rollout import Kill, Partition, RegistryDown, Start


class Script:
    """What happened, in order; one world of three nodes that do nothing else."""

    def __init__(self, monkeypatch):
        self.lines = []
        members = [SimpleNamespace(host=f"host {n}", **self._deeds(n)) for n in range(3)]
        registry = SimpleNamespace(unplugged=lambda: self._parted(["registry"]))
        self.world = World(SimpleNamespace(parted=self._parted), members, [], None, registry)
        monkeypatch.setattr(World, "doors", ["door"])

    def _deeds(self, number):
        async def ready(peers):
            self.lines.append(("ready", number))

        def note(what):
            return lambda *_: self.lines.append((what, number))

        return {"kill": note("kill"), "freeze": note("freeze"), "start": note("start"), "ready": ready}

    @contextmanager
    def _parted(self, hosts):
        self.lines.append(("parted", *hosts))
        try:
            yield
        finally:
            self.lines.append("whole")

    async def at(self, seconds):
        self.lines.append(seconds)
        if seconds == 99:
            raise KeyError("the rollout ends before")


@pytest.fixture
def script(monkeypatch):
    return Script(monkeypatch)


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        (Kill(2.0, (0, 2)), [2.0, ("kill", 0), ("kill", 2)]),
        (Kill(2.0, (1,), stay_connected=True), [2.0, ("freeze", 1)]),
        (Start(3.0, (0, 1)), [3.0, ("start", 0), ("start", 1), ("ready", 0), ("ready", 1)]),
        (Partition(1.0, 4.0, (1, 2)), [1.0, ("parted", "host 1", "host 2"), 4.0, "whole"]),
        (RegistryDown(1.0, 4.0), [1.0, ("parted", "registry"), 4.0, "whole"]),
    ],
)
async def test_a_fault_happens_at_its_time(script, fault, lines):
    said = []
    await strike(script.world, fault, script.at, said.append)
    assert script.lines == lines
    assert said


@pytest.mark.parametrize("fault", [Partition(1.0, 99, (1,)), RegistryDown(1.0, 99)])
async def test_what_has_an_end_is_lifted_when_the_rollout_ends_before(script, fault):
    with pytest.raises(KeyError):
        await strike(script.world, fault, script.at, print)
    assert script.lines[-1] == "whole"
