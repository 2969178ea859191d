"""What has become of a scenario: the same facts from `emulate` and from `simulate`, for the same figures."""

from dataclasses import dataclass
from typing import Literal

from netsim.scenarios.options import Options

Half = Literal["emulate", "simulate"]


@dataclass(frozen=True, slots=True)
class Pulled:
    """How a pull went: in seconds since the scenario's beginning; `ended` is None if it did not end well, or the node died."""

    node: int
    image: int
    began: float
    ended: float | None
    is_lost: bool = False
    """Whether the node died, so that nobody waits for it any more."""
    reason: str = ""
    """Why it did not end well."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes over a node's link while the scenario ran."""

    node: int
    received: int
    sent: int
    redundant: int
    """Bytes of layers that it received and had no use for."""
    control: int
    """Bytes received that are of no layer: DHT, headers, requests, hashes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a rollout."""

    scenario: str
    half: Half
    options: Options
    pulls: tuple[Pulled, ...]
    traffic: tuple[Traffic, ...]
    upstream: tuple[float, ...]
    """By image, how often its bytes have left the registry."""
    busy: float = 0.0
    """Percent of this machine's cores that emulated nodes used. Near 100, it is the machine that was measured, not the links."""
    seconds: float = 0.0
    """What it took to run it here."""
    events: int = 0
    """Of a simulation: callbacks run, for what it cost."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What became of lookups in a network of one size: one row of a directory's result."""

    nodes: int
    dead: float
    lookups: int
    found: int
    hops: tuple[int, ...]
    """Of each lookup, how many rounds of questions it took."""
    latencies: tuple[float, ...]
    """Seconds of each lookup."""
    datagrams: float
    """A lookup, in the mean."""


@dataclass(frozen=True, slots=True)
class Load:
    """What nodes of a network of one size have to do for the directory."""

    nodes: int
    keys: int
    asked: tuple[int, ...]
    """By node, how many requests it has answered."""
    kept: tuple[int, ...]
    """By node, how many records it keeps for others."""
    bytes_per_second: float = 0.0
    """A node's datagrams, in the mean, in and out."""
    memory: float = 0.0
    """Bytes a node takes for it, in the mean."""


@dataclass(frozen=True, slots=True)
class DirectoryRun:
    """One run of a directory scenario."""

    scenario: str
    options: Options
    lookups: tuple[Lookups, ...] = ()
    loads: tuple[Load, ...] = ()
    seconds: float = 0.0

    @property
    def half(self) -> Half:
        """The only one that there is of it."""
        return "simulate"
