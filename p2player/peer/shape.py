"""The shape in which nodes follow each other: one after the other at first, and behind those a tree in which each has two followers.

A chain takes each uplink once, but the first byte is as many hops late as there are nodes before. A tree is a few hops deep, and halves
what comes. So a chain goes on for as long as its hops cost less than that, and the tree begins behind it.
"""

from typing import Final

from p2player.peer.segments import segment_bytes

NO_SOURCE: Final = 1_000_000
"""The depth of a node that has not found anybody to take a blob from; who follows it stands one deeper, and so on."""
_TRUNK: Final = 8
"""The chain is as long as the sending of so great a part of a blob takes, by segments alone, over all its hops."""


def trunk(size: int) -> int:
    """Return over how many nodes a blob of size bytes goes one after the other before the tree begins."""
    return max(size // segment_bytes(size) // _TRUNK, 1)


def most_followers(depth: int, size: int) -> int:
    """Return how many may follow a node that has a blob of size bytes over `depth` others."""
    return 1 if hops(depth) < trunk(size) else 2


def place_of(newcomer: int, depth: int, size: int) -> tuple[int, int]:
    """Return whom to follow, and over how many others that one has the blob, if `newcomer` - 1 others have come before to a node.

    0 is that node, which has the blob over `depth` others, 1 the first that came to it.
    """
    in_line = max(trunk(size) - hops(depth), 0)
    if newcomer <= in_line:
        return newcomer - 1, depth + newcomer - 1
    place = (newcomer - in_line - 1) // 2  # in a heap, row by row
    return in_line + place, depth + in_line + (place + 1).bit_length() - 1


def hops(depth: int) -> int:
    """Return over how many others a node at a depth has a blob, or is to have it from one that has found nobody yet."""
    return depth - NO_SOURCE if depth >= NO_SOURCE else depth
