"""What `make netsim` runs, in one table."""

from dataclasses import dataclass
from typing import Final

from netsim.results.run import Half
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.sizes import MIB

_LARGE: Final = 1000
_LARGEST: Final = 10_000
_THIN: Final = 200
"""So many nodes when a thin link between zones makes a run so much longer."""
_ROLLOUTS: Final = tuple(name for name, make in SCENARIOS.items() if not isinstance(make(Options()), Directory))
_CROWDS: Final = ("warm-flash-crowd", "cold-flash-crowd")
_MANY_LAYERS: Final = "many-small-layers"


@dataclass(frozen=True, slots=True)
class Entry:
    """One run."""

    half: Half
    scenario: str
    options: Options

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.half}-{self.scenario}-{self.options.nodes}"


def _emulated() -> list[Entry]:
    """All rollouts, so slow that two cores are not what limits them; the crowds in three sizes, as the model is held to those.

    The larger ones take longer, as that many daemons need some seconds of two cores before the first byte.
    """
    small = Options(nodes=8, size=32 * MIB, rate=20)
    entries = [Entry("emulate", name, small) for name in _ROLLOUTS]
    entries += [Entry("emulate", name, Options(nodes=16, size=64 * MIB, rate=20)) for name in _CROWDS]
    entries += [Entry("emulate", name, Options(nodes=32, size=32 * MIB, rate=5)) for name in _CROWDS]
    return entries


def whole_set() -> list[Entry]:
    """Return the emulated set, the same simulated, everything at 1,000 nodes, and the crowds at sizes between and at 10,000."""
    emulated = _emulated()
    beside = [Entry("simulate", entry.scenario, entry.options) for entry in emulated]
    between = [Entry("simulate", name, Options(nodes=nodes)) for nodes in (50, 100, 300) for name in _CROWDS]
    large = [
        Entry("simulate", name, Options(nodes=_nodes_of_large(name), size=_size_of_large(name))) for name in SCENARIOS
    ]
    largest = [Entry("simulate", name, Options(nodes=_LARGEST)) for name in _CROWDS]
    return [*emulated, *beside, *between, *large, *largest]


def _nodes_of_large(scenario: str) -> int:
    """Return how many nodes a scenario is simulated with at most, but for the crowds."""
    return {"lookup": _LARGEST, "two-zones": _THIN}.get(scenario, _LARGE)


def _size_of_large(scenario: str) -> int:
    """Return how large the image is that so many nodes want: most runs take less than a minute of one core."""
    if scenario in _CROWDS:
        return Options().size
    return 4 * MIB if scenario == _MANY_LAYERS else 8 * MIB


def small_set() -> list[Entry]:
    """Return a set of the same kind that is done in some minutes, to try the way from runs to pages."""
    emulated = [Entry("emulate", name, Options(nodes=4, size=4 * MIB, rate=20)) for name in _CROWDS]
    beside = [Entry("simulate", entry.scenario, entry.options) for entry in emulated]
    between = [Entry("simulate", name, Options(nodes=nodes, size=8 * MIB)) for nodes in (10, 40) for name in _CROWDS]
    large = [Entry("simulate", name, Options(nodes=100, size=8 * MIB)) for name in (*_ROLLOUTS, "lookup", "hot-key")]
    return [*emulated, *beside, *between, *large]
