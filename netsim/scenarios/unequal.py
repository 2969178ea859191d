"""Nodes whose links are not all alike, and that want an image in the same moment."""

from typing import Final

from netsim.scenarios.crowds import of_one, of_registry
from netsim.scenarios.network import Host, Network
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Goals, Rollout

_RATES: Final = (1.0, 0.5, 1.0, 2.0)
"""Of nodes in turn, as multiples of the usual rate: a quarter is slow, a quarter fast."""
_THIN: Final = 0.5
"""The rate of a zone's link to the other, as a multiple of a single host's."""


def mixed_links(options: Options) -> Rollout:
    """One node has it. The bound is that of the slowest; half of the nodes could have it in half of that, or less."""
    rates = (options.rate, *(options.rate * _RATES[node % len(_RATES)] for node in range(options.nodes)))
    return of_one(
        "mixed-links",
        "Do nodes with slow links hold up those with fast ones?",
        options,
        Network(tuple(map(Host, rates))),
        Goals(median=0.75, last=1.5),
    )


def two_zones(options: Options) -> Rollout:
    """Only the registry has it, in the one zone. In the other nobody can have it before it has come over the thin link once."""
    hosts = tuple(Host(options.rate, zone=node % 2) for node in range(options.nodes))
    return of_registry(
        "two-zones",
        "How often does an image cross the thin link between two zones?",
        options,
        Network(hosts, registry=options.rate, between_zones=_THIN * options.rate),
        Goals(last=1.5, copies=1.1),
    )
