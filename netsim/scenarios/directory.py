"""A scenario about the DHT alone: who has what, and what it costs to know. It is simulated only."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DirectoryGoals:
    """What has to be reached; None: it is only reported."""

    success: float | None = None
    """Which share of lookups has to find a provider that exists and lives."""
    dead: float = 0.2
    """Up to which share of dead nodes."""
    load: float | None = None
    """How many times the mean the most burdened node may be asked."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Nodes that announce digests and look for them."""

    name: str
    question: str
    kind: Literal["lookup", "hot key", "many keys", "steady state"]
    sizes: tuple[int, ...]
    """In how many nodes the network is tried."""
    dead: tuple[float, ...] = (0.0,)
    """Which shares of nodes are dead when it is asked."""
    keys: int = 200
    """How many digests there are in all; of steady state, on each node."""
    providers: int = 1
    """How many nodes announce each."""
    lookups: int = 1000
    loss: float = 0.0
    latency: tuple[float, float] = (0.005, 0.05)
    """Seconds one way between two nodes, evenly spread."""
    seconds: float = 0.0
    """Of steady state, how long it is watched; of a hot key, within which time all nodes come to want it."""
    goals: DirectoryGoals = DirectoryGoals()
