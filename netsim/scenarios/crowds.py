"""Many nodes that want an image in the same moment."""

from netsim.scenarios.bound import minimum_time
from netsim.scenarios.network import Network, alike
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Goals, Image, Pull, Rollout

_LAYERS = 4


def image_of(size: int, layers: int = _LAYERS) -> Image:
    """Return an image of size bytes in so many layers, as equal as they can be."""
    each, rest = divmod(size, layers)
    return Image(tuple(each + (number < rest) for number in range(layers)))


def warm(options: Options) -> Rollout:
    """One node has it."""
    return of_one(
        "warm-flash-crowd",
        "How long do nodes take that all want in the same moment what one node has?",
        options,
        Network(alike(options.nodes + 1, options.rate)),
        Goals(median=1.25, last=1.5),
    )


def cold(options: Options) -> Rollout:
    """Nobody has it, and the registry is behind a link like everybody's."""
    return of_registry(
        "cold-flash-crowd",
        "How long do nodes take, and how often is it fetched, that all want in the same moment what only the registry has?",
        options,
        Network(alike(options.nodes, options.rate), registry=options.rate),
        Goals(median=1.3, last=1.3, copies=1.1),
    )


def of_one(name: str, question: str, options: Options, network: Network, goals: Goals) -> Rollout:
    """Return the rollout in which the nodes from 1 on want in the same moment what node 0 has."""
    return _at_once(name, question, options, network, goals, nodes=range(1, options.nodes + 1), sources=(0,))


def of_registry(name: str, question: str, options: Options, network: Network, goals: Goals) -> Rollout:
    """Return the rollout in which the nodes from 0 on want in the same moment what only the registry has."""
    return _at_once(name, question, options, network, goals, nodes=range(options.nodes), sources=())


def _at_once(
    name: str,
    question: str,
    options: Options,
    network: Network,
    goals: Goals,
    *,
    nodes: range,
    sources: tuple[int, ...],
) -> Rollout:
    return Rollout(
        name,
        question,
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        minimum_time(options.size, network, sources=sources, nodes=nodes),
        holders={0: sources} if sources else {},
        goals=goals,
    )
