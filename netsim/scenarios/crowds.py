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
    network = Network(alike(options.nodes + 1, options.rate))
    nodes = range(1, options.nodes + 1)
    return Rollout(
        "warm-flash-crowd",
        "How long do nodes take that all want in the same moment what one node has?",
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        minimum_time(options.size, network, sources=[0], nodes=nodes),
        holders={0: (0,)},
        goals=Goals(median=1.25, last=1.5),
    )


def cold(options: Options) -> Rollout:
    """Nobody has it, and the registry is behind a link like everybody's."""
    network = Network(alike(options.nodes, options.rate), registry=options.rate)
    nodes = range(options.nodes)
    return Rollout(
        "cold-flash-crowd",
        "How long do nodes take, and how often is it fetched, that all want in the same moment what only the registry has?",
        network,
        (image_of(options.size),),
        tuple(map(Pull, nodes)),
        minimum_time(options.size, network, sources=[], nodes=nodes),
        goals=Goals(median=1.3, last=1.3, copies=1.1),
    )
