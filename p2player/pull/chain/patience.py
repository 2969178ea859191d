"""How long a node of a chain waits without a byte before it does something about it."""

from typing import Final

from p2player.peer.shape import hops

SUSPECT: Final = 0.5
"""Seconds without a byte, once some have come, after which a source is asked whether it is there."""
STALLED: Final = 1.5
"""Seconds without a byte after which all are asked again."""
ON_THE_WAY: Final = 0.5
"""Seconds that bytes may be on the way which the source has."""
TAKE_OVER: Final = 3.0
"""Seconds without a byte, with nobody ahead, after which the nearest to the head goes to the registry itself; each node
behind it waits a second more, so that one goes and not all."""
TAKE_OVER_FROM_HEAD: Final = 8.0
"""The same while the head answers: it is the registry that is slow then."""
HOP: Final = 0.25
"""Seconds that the first bytes may take over each node of a chain: a segment of each layer over a link, and the work on it."""
HOPS: Final = 12.0
"""Seconds that they may take over all nodes before this one, however many it is told there are."""
WITHOUT_REGISTRY: Final = 2 * TAKE_OVER_FROM_HEAD
"""Seconds without a byte after which a node fails that has no source and no registry, while others answer. It is longer than
those who had it as their head wait, so that one of them can get ahead; several of them, should the registry fail some."""
GIVE_UP: Final = 30.0
"""Seconds without a byte after which it fails, so that the runtime goes elsewhere, though its source still answers."""


def of_depth(depth: int) -> float:
    """Return the seconds that bytes may take from the head to a node at a depth, or from one that has found nobody yet."""
    return min(HOP * hops(depth), HOPS)


def until_take_over(depth: int, nearer: int, *, is_head_there: bool) -> float:
    """Return after how many quiet seconds a node at a depth goes to the registry, of which so many others are nearer to it."""
    # To insist slows down one other node, to go to the registry all of them.
    return (TAKE_OVER_FROM_HEAD if is_head_there else TAKE_OVER) + max(nearer, 1.5 * of_depth(depth))
