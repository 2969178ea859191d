"""How links are shared among the flows that cross them: max-min fair, as TCP's are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netsim.scenarios.network import BYTES_PER_MBIT, Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ROUNDS: Final = 12
"""Of filling. What is not settled by then gets what is certainly free: less than its share, never more."""
_NEARLY: Final = 1.0 + 1e-9
_MOST_DOUBLINGS: Final = 40
REGISTRY: Final = -1
"""Where a node's index stands otherwise: the registry."""


@dataclass(frozen=True, slots=True)
class Flows:
    """Flows over links: which links each crosses (a row of indices), and bytes a second that it could use."""

    links: Ints
    demand: Floats


def share(capacity: Floats, flows: Flows) -> Floats:
    """Return the max-min fair rate of each flow, in bytes a second (Bertsekas and Gallager, Data Networks, 6.5.2).

    All links that nobody else keeps from being a bottleneck are filled in the same round, not one after the other.
    """
    rates = np.zeros(len(flows.demand))
    left = capacity.copy()
    rest = np.flatnonzero(flows.demand > 0)
    crossed, demand = [column[rest] for column in flows.links.T], flows.demand[rest]
    offer = np.zeros(0)
    for _ in range(_ROUNDS):
        if not len(rest):
            return rates
        count = _sums(crossed, len(capacity))
        fair = left / np.maximum(count, 1)
        shares = [fair[links] for links in crossed]
        offer = reduce(np.minimum, shares)
        is_sated = demand <= offer
        is_limit = [(share <= offer * _NEARLY) & ~is_sated for share in shares]
        # A link is full if all its flows are limited by it.
        limited = _sums([links[limit] for links, limit in zip(crossed, is_limit, strict=True)], len(capacity))
        is_full = limited == count
        is_settled = is_sated.copy()
        for links, limit in zip(crossed, is_limit, strict=True):
            is_settled |= is_full[links] & limit
        given = np.minimum(demand, offer)[is_settled]
        rates[rest[is_settled]] = given
        for links in crossed:
            left -= np.bincount(links[is_settled], weights=given, minlength=len(capacity))
        left = np.maximum(left, 0.0)
        is_left = ~is_settled
        rest, demand, offer = rest[is_left], demand[is_left], offer[is_left]
        crossed = [links[is_left] for links in crossed]
    rates[rest] = np.minimum(demand, offer) if len(rest) else 0.0
    return rates


def _sums(columns: Sequence[Ints], count: int) -> Ints:
    """Return how often each of so many links stands in all columns together."""
    sums: Ints = np.zeros(count, dtype=np.int64)
    for links in columns:
        sums += np.bincount(links, minlength=count)
    return sums


class Links:
    """The links of a network by number, and which of them lie between two nodes. `carried` counts bytes over each."""

    def __init__(self, network: Network, efficiency: float) -> None:
        hosts, zones = network.hosts, network.zones
        self._hosts = len(hosts)
        self._registry = 2 * self._hosts
        self._zones = self._registry + 1
        self._count = self._zones + 2 * len(zones) + 1
        self._has_zones = network.between_zones is not None and len(zones) > 1
        zone = {number: index for index, number in enumerate(zones)}
        # The registry is of zone 0; its place is behind the last host's, where the index -1 finds it.
        self.zone: Ints = np.array([*(zone[host.zone] for host in hosts), zone.get(0, 0)], dtype=np.int64)
        rates = [host.rate for host in hosts]
        between = network.between_zones if network.between_zones is not None else np.inf
        self.capacity: Floats = (
            np.array([*rates, *rates, network.registry or 0.0, *[between] * 2 * len(zones), np.inf])
            * BYTES_PER_MBIT
            * efficiency
        )
        self.latency = network.latency
        self._further = network.between_zones_latency
        self.carried: Floats = np.zeros(self._count)

    def between(self, source: Ints, target: Ints) -> Ints:
        """Return the links from each source (a node, or REGISTRY) to each target."""
        up = np.where(source == REGISTRY, self._registry, source)
        crossed = [up, target + self._hosts]
        if self._has_zones:
            free = self._count - 1
            is_far = self.zone[source] != self.zone[target]
            crossed.append(np.where(is_far, self._zones + 2 * self.zone[source], free))
            crossed.append(np.where(is_far, self._zones + 2 * self.zone[target] + 1, free))
        return np.stack(crossed, axis=1)

    def delay(self, source: int, target: int) -> float:
        """Return seconds one way."""
        return self.latency + (self._further if self.zone.item(source) != self.zone.item(target) else 0.0)

    def delays(self, source: Ints, target: Ints) -> Floats:
        """Return the same for many."""
        is_far = self.zone[source] != self.zone[target]
        delays: Floats = np.where(is_far, self.latency + self._further, self.latency)
        return delays

    def slow_start(self, source: Ints, target: Ints, begun: Floats, first_window: float) -> Floats:
        """Return bytes a second that TCP sends at most so many seconds after it has begun: twice as many with each round trip."""
        round_trip = 2 * self.delays(source, target)
        most: Floats = first_window / round_trip * 2.0 ** np.minimum(begun / round_trip, _MOST_DOUBLINGS)
        return most

    def carry(self, flows: Flows, sent: Floats) -> None:
        """Count bytes of each flow on all links that it crosses."""
        self.carried += np.bincount(
            flows.links.ravel(), weights=np.repeat(sent, flows.links.shape[1]), minlength=self._count
        )

    def sent(self, node: int) -> float:
        """Return what has left a node, or the registry."""
        return float(self.carried[self._registry if node == REGISTRY else node])

    def received(self, node: int) -> float:
        """Return what has come to a node."""
        return float(self.carried[node + self._hosts])
