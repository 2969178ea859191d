"""Rollouts in which all goes well, of images and over times as people have them."""

from dataclasses import replace
from random import Random
from typing import Final

from netsim.scenarios.bound import minimum_time
from netsim.scenarios.crowds import cold, image_of
from netsim.scenarios.network import Network, alike
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Goals, Pull, Rollout

_BATCHES: Final = 5
_SMALL_LAYER: Final = 512 * 1024
"""Bytes: twice what goes over the peer interface at once, so that each is fetched in pieces."""
_PATIENCE: Final = 1.5
"""How many times the bound a batch is given until the next one begins."""
_SPREAD: Final = 2.0
"""Over how many times the bound arrivals are spread."""


def rolling_update(options: Options) -> Rollout:
    """A fifth of the nodes at a time. Who is done gives it to those of the next batch."""
    network = Network(alike(options.nodes, options.rate), registry=options.rate)
    size = -(-options.nodes // _BATCHES)
    bound = minimum_time(options.size, network, sources=[], nodes=range(min(size, options.nodes)))
    return Rollout(
        "rolling-update",
        "How long do nodes take that are updated a fifth at a time, and how often does the registry give the image?",
        network,
        (image_of(options.size),),
        tuple(Pull(node, at=node // size * _PATIENCE * bound) for node in range(options.nodes)),
        bound,
        goals=Goals(median=1.3, last=1.5, copies=1.1),
    )


def staggered(options: Options) -> Rollout:
    """Nodes come at random times, some of them while the first ones are still at it."""
    network = Network(alike(options.nodes, options.rate), registry=options.rate)
    # one node for itself: those that come apart do not need their links at the same time
    bound = minimum_time(options.size, network, sources=[], nodes=[0])
    rng = Random(options.seed)
    later = sorted(rng.uniform(0, _SPREAD * bound) for _ in range(options.nodes - 1))
    return Rollout(
        "staggered",
        "How long do nodes take that want an image one after the other, while others are still fetching it?",
        network,
        (image_of(options.size),),
        tuple(Pull(node, at=at) for node, at in enumerate([0.0, *later])),
        bound,
        goals=Goals(median=1.3, last=1.5, copies=1.1),
    )


def one_big_layer(options: Options) -> Rollout:
    """All bytes in one blob, which only the registry has."""
    question = "Does it matter that an image is one layer?"
    return replace(cold(options), name="one-big-layer", question=question, images=(image_of(options.size, 1),))


def many_small_layers(options: Options) -> Rollout:
    """The same bytes in very many blobs, each of which has to be looked up, announced and passed on."""
    question = "What does it cost that an image has very many layers?"
    layers = max(options.size // _SMALL_LAYER, 1)
    return replace(cold(options), name="many-small-layers", question=question, images=(image_of(options.size, layers),))
