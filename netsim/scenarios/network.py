"""The links of a scenario: one a host to the switch of its zone, one a zone to the others, one to the registry."""

from dataclasses import dataclass
from typing import Final

BYTES_PER_MBIT: Final = 1e6 / 8


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: its link's rate in Mbit/s each way, and in which zone it is."""

    rate: float
    zone: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """What nodes have between them. Hosts are known by their index, as nodes are: node n runs on host n."""

    hosts: tuple[Host, ...]
    registry: float | None = None
    """Mbit/s of the registry's own link, in zone 0; None: there is no registry."""
    between_zones: float | None = None
    """Mbit/s each way of each zone's link to the others; None: as fast as it takes."""
    latency: float = 0.0005
    """Seconds one way between two hosts of a zone. Emulated links have no delay but that of their queues."""
    between_zones_latency: float = 0.02
    """Seconds more, one way, between two hosts of different zones."""
    loss: float = 0.0
    """Which share of datagrams is lost."""

    @property
    def zones(self) -> tuple[int, ...]:
        """The zones there are hosts in, in order."""
        return tuple(sorted({host.zone for host in self.hosts}))


def alike(count: int, rate: float) -> tuple[Host, ...]:
    """Return hosts with links of the same rate in one zone."""
    return (Host(rate),) * count
