"""A scenario in which nodes pull images, while things may go wrong. It says what happens; `emulate` and `simulate` let it happen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netsim.scenarios.network import Network

Lie = Literal["corrupt pieces", "wrong tree"]
"""Gives wrong bytes of what it says it has; or announces a hash tree of other bytes, and has those."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: the bytes of each of its layers. Its manifest and config are some hundred bytes."""

    layers: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(self.layers)


@dataclass(frozen=True, slots=True)
class Pull:
    """A node starts to pull an image, so many seconds after the beginning."""

    node: int
    image: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Kill:
    """Nodes die without a word."""

    at: float
    nodes: tuple[int, ...]
    stay_connected: bool = False
    """Whether they stand still instead, and their connections stay open."""


@dataclass(frozen=True, slots=True)
class Start:
    """Nodes that were not there from the beginning come up, with nothing in their store."""

    at: float
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Partition:
    """These nodes and all others do not reach each other for a while. The registry stays with the others."""

    at: float
    until: float
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RegistryDown:
    """The registry answers nobody for a while."""

    at: float
    until: float


Fault = Kill | Start | Partition | RegistryDown


@dataclass(frozen=True, slots=True)
class Goals:
    """What has to be reached; None: it is only reported. Times are multiples of the bound."""

    median: float | None = None
    last: float | None = None
    copies: float | None = None
    """How often an image may leave the registry."""
    finished: float = 1.0
    """Which share of the pulls by nodes that live has to end well."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Nodes that pull images. Nodes are known by their index in `network.hosts`."""

    name: str
    question: str
    network: Network
    images: tuple[Image, ...]
    pulls: tuple[Pull, ...]
    bound: float
    """Seconds from its beginning that no way of distribution could take a pull less than, the slowest one: see `bound`."""
    holders: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By image, the nodes that have it from the beginning. What nobody holds, the registry has; it has all if there is one."""
    faults: tuple[Fault, ...] = ()
    liars: Mapping[int, Lie] = field(default_factory=dict)
    """By node, what it does with the images that it holds."""
    goals: Goals = Goals()
