"""Rollouts in which nodes, links or the registry fail, or nodes lie."""

from dataclasses import replace
from random import Random
from typing import Final

from netsim.scenarios.bound import minimum_time
from netsim.scenarios.crowds import image_of, of_one, of_registry
from netsim.scenarios.network import BYTES_PER_MBIT, Network, alike
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Fault, Goals, Kill, Lie, Partition, Pull, RegistryDown, Rollout, Start

_CHURN_SPAN: Final = 2.0
"""Over how many times the bound half of the nodes are replaced, where a real cluster might take an hour.

A run that took an hour would show pulls on a quiet cluster, and now and then a node that comes. Here the same share of
nodes goes and comes while others pull, which is the worse.
"""
_LIES: Final[tuple[Lie, ...]] = ("corrupt pieces", "wrong tree")


def churn(options: Options) -> Rollout:
    """Half of the nodes are replaced by new ones, at random times, while all are at it. The registry has it."""
    replaced = options.nodes // 2
    network = Network(alike(options.nodes + replaced, options.rate), registry=options.rate)
    # one node for itself: how many there are at a time is chance
    bound = minimum_time(options.size, network, sources=[], nodes=[0])
    rng = Random(options.seed)
    leaving = rng.sample(range(options.nodes), replaced)
    times = sorted(rng.uniform(0, _CHURN_SPAN * bound) for _ in leaving)
    faults: list[Fault] = []
    pulls = list(map(Pull, range(options.nodes)))
    for new, (node, at) in enumerate(zip(leaving, times, strict=True), options.nodes):
        faults += [Kill(at, (node,)), Start(at, (new,))]
        pulls.append(Pull(new, at=at))
    return Rollout(
        "churn",
        "How long do nodes take while half of them are replaced?",
        network,
        (image_of(options.size),),
        tuple(pulls),
        bound,
        faults=tuple(faults),
        goals=Goals(median=1.5, last=2.0, copies=1.5),
    )


def mass_failure(options: Options) -> Rollout:
    """One node has it, and a fifth of the others die when half of it could be there."""
    crowd = of_one(
        "mass-failure",
        "How much longer do the others take when a fifth of the nodes die at once?",
        options,
        Network(alike(options.nodes + 1, options.rate)),
        # a fifth more than a crowd in which nobody dies may take
        Goals(median=1.5, last=1.8),
    )
    dying = _some_of(crowd, options.seed, options.nodes // 5)
    return replace(crowd, faults=(Kill(crowd.bound / 2, dying),) if dying else ())


def partition(options: Options) -> Rollout:
    """One node has it; half of the others are cut off from it when a quarter could be there, for half of the bound."""
    crowd = of_one(
        "partition",
        "How soon do nodes that were cut off have it, once the network is whole again?",
        options,
        Network(alike(options.nodes + 1, options.rate)),
        Goals(last=1.5),
    )
    at, until = crowd.bound / 4, crowd.bound * 3 / 4
    cut = _some_of(crowd, options.seed, options.nodes // 2)
    if not cut:
        return crowd
    return replace(crowd, bound=resumed(options.size, options.rate, at, until), faults=(Partition(at, until, cut),))


def registry_outage(options: Options) -> Rollout:
    """Half of the nodes begin, the registry stops when a quarter could be there, and the others begin before it is back."""
    crowd = of_registry(
        "registry-outage",
        "How soon is a rollout done when the registry is away for a while in the middle of it?",
        options,
        Network(alike(options.nodes, options.rate), registry=options.rate),
        Goals(last=1.5, copies=1.2),
    )
    at, until = crowd.bound / 4, crowd.bound * 3 / 4
    late = range((options.nodes + 1) // 2, options.nodes)
    return replace(
        crowd,
        pulls=tuple(Pull(node, at=crowd.bound / 2 if node in late else 0.0) for node in range(options.nodes)),
        bound=resumed(options.size, options.rate, at, until),
        faults=(RegistryDown(at, until),),
    )


def resumed(size: int, rate: float, at: float, until: float) -> float:
    """Return the least seconds in which size bytes come from a source that sends rate Mbit/s, and nothing from at to until."""
    undisturbed = size / (rate * BYTES_PER_MBIT)
    return undisturbed if undisturbed <= at else undisturbed + until - at


def liars(options: Options) -> Rollout:
    """One node has it, and a fifth as many as want it say that they have it too, and lie."""
    count = max(options.nodes // 5, 1)
    lying = range(options.nodes + 1, options.nodes + 1 + count)
    crowd = of_one(
        "liars",
        "How much longer do nodes take when others give them wrong bytes?",
        options,
        Network(alike(options.nodes + 1 + count, options.rate)),
        Goals(median=1.5, last=2.0),
    )
    return replace(
        crowd,
        holders={0: (0, *lying)},
        liars={node: _LIES[number % len(_LIES)] for number, node in enumerate(lying)},
    )


def _some_of(crowd: Rollout, seed: int, count: int) -> tuple[int, ...]:
    """Return so many of those who want something, drawn at random, in order."""
    return tuple(sorted(Random(seed).sample([pull.node for pull in crowd.pulls], count)))
