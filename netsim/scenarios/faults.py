"""Rollouts in which nodes, links or the registry fail, or nodes lie."""

from random import Random
from typing import Final

from netsim.scenarios.bound import minimum_time
from netsim.scenarios.crowds import image_of
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
    network = Network(alike(options.nodes + 1, options.rate))
    nodes = range(1, options.nodes + 1)
    bound = minimum_time(options.size, network, sources=[0], nodes=nodes)
    dying = sorted(Random(options.seed).sample(nodes, options.nodes // 5))
    return Rollout(
        "mass-failure",
        "How much longer do the others take when a fifth of the nodes die at once?",
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        bound,
        holders={0: (0,)},
        faults=(Kill(bound / 2, tuple(dying)),) if dying else (),
        # a fifth more than a crowd in which nobody dies may take
        goals=Goals(median=1.5, last=1.8),
    )


def partition(options: Options) -> Rollout:
    """One node has it; half of the others are cut off from it when a quarter could be there, for half of the bound."""
    network = Network(alike(options.nodes + 1, options.rate))
    nodes = range(1, options.nodes + 1)
    undisturbed = minimum_time(options.size, network, sources=[0], nodes=nodes)
    at, until = undisturbed / 4, undisturbed * 3 / 4
    cut = tuple(sorted(Random(options.seed).sample(nodes, options.nodes // 2)))
    return Rollout(
        "partition",
        "How soon do nodes that were cut off have it, once the network is whole again?",
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        resumed(options.size, options.rate, at, until) if cut else undisturbed,
        holders={0: (0,)},
        faults=(Partition(at, until, cut),) if cut else (),
        goals=Goals(last=1.5),
    )


def registry_outage(options: Options) -> Rollout:
    """Half of the nodes begin, the registry stops when a quarter could be there, and the others begin before it is back."""
    network = Network(alike(options.nodes, options.rate), registry=options.rate)
    nodes = range(options.nodes)
    undisturbed = minimum_time(options.size, network, sources=[], nodes=nodes)
    at, until = undisturbed / 4, undisturbed * 3 / 4
    late = range((options.nodes + 1) // 2, options.nodes)
    return Rollout(
        "registry-outage",
        "How soon is a rollout done when the registry is away for a while in the middle of it?",
        network,
        (image_of(options.size),),
        tuple(Pull(node, at=undisturbed / 2 if node in late else 0.0) for node in nodes),
        resumed(options.size, options.rate, at, until),
        faults=(RegistryDown(at, until),),
        goals=Goals(last=1.5, copies=1.2),
    )


def resumed(size: int, rate: float, at: float, until: float) -> float:
    """Return the least seconds in which size bytes come from a source that sends rate Mbit/s, and nothing from at to until."""
    undisturbed = size / (rate * BYTES_PER_MBIT)
    return undisturbed if undisturbed <= at else undisturbed + until - at


def liars(options: Options) -> Rollout:
    """One node has it, and a fifth as many as want it say that they have it too, and lie."""
    count = max(options.nodes // 5, 1)
    network = Network(alike(options.nodes + 1 + count, options.rate))
    nodes = range(1, options.nodes + 1)
    lying = range(options.nodes + 1, options.nodes + 1 + count)
    return Rollout(
        "liars",
        "How much longer do nodes take when others give them wrong bytes?",
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        minimum_time(options.size, network, sources=[0], nodes=nodes),
        holders={0: (0, *lying)},
        liars={node: _LIES[number % len(_LIES)] for number, node in enumerate(lying)},
        goals=Goals(median=1.5, last=2.0),
    )
