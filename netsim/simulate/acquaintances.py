"""Whom a node knows in a network whose nodes have all joined, told from the list of them.

It is the half of the key space the node is not in, the quarter of its own half that it is not in, and so on, of each of
which it knows some, until those left are few: them it knows all. So many are known after joining; an hour later several times
as many are, so that a network that is up for long answers with fewer questions than one that begins like this.
"""

from bisect import bisect_left
from collections.abc import Iterable
from heapq import nsmallest
from random import Random
from typing import Final

from p2player.dht.routing import BUCKET_SIZE, ID_BITS
from p2player.dht.wire import Neighbour

KNOWN_OF_A_PART: Final = 14  # a table asks nobody further whether it is there who is far (p2player.dht.routing)


class Acquaintances:
    """All nodes there are, and who of them knows whom."""

    def __init__(self, nodes: Iterable[Neighbour]) -> None:
        self._nodes = sorted(nodes)
        self._ids = [int.from_bytes(node.node_id, "big") for node in self._nodes]

    def of(self, node: Neighbour, rng: Random, *, of_a_part: int = KNOWN_OF_A_PART) -> list[Neighbour]:
        """Return those node knows, in random order."""
        own = int.from_bytes(node.node_id, "big")
        known: list[Neighbour] = []
        low, high, bit = 0, len(self._nodes), ID_BITS
        while high - low > BUCKET_SIZE:
            bit -= 1
            middle = bisect_left(self._ids, (own >> bit | 1) << bit, low, high)
            if own >> bit & 1:
                other, low = (low, middle), middle
            else:
                other, high = (middle, high), middle
            some = rng.sample(range(*other), min(of_a_part, other[1] - other[0]))
            known += (self._nodes[place] for place in some)
        known += (other for other in self._nodes[low:high] if other != node)
        rng.shuffle(known)
        return known

    def nearest(self, key: bytes, count: int) -> list[Neighbour]:
        """Return the count nodes nearest to key, nearest first, fewer only if there are no more."""
        goal = int.from_bytes(key, "big")
        low, high, bit = 0, len(self._nodes), ID_BITS
        while bit:
            # Those in the half that key is in are nearer than all in the other.
            bit -= 1
            middle = bisect_left(self._ids, (goal >> bit | 1) << bit, low, high)
            half = (middle, high) if goal >> bit & 1 else (low, middle)
            if half[1] - half[0] < count:
                break
            low, high = half
        near = nsmallest(count, range(low, high), key=lambda place: self._ids[place] ^ goal)
        return [self._nodes[place] for place in near]
