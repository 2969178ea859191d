"""What each node has of each blob. Bytes are counters: nothing is ever held."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netsim.simulate.flows import Bools, Floats, Ints


class Copies:
    """One place for every node and blob, known by its index."""

    def __init__(self, nodes: int, sizes: Sequence[int]) -> None:
        self._nodes = nodes
        count = nodes * len(sizes)
        self.size: Ints = np.repeat(np.array(sizes, dtype=np.int64), nodes)
        self.node: Ints = np.tile(np.arange(nodes, dtype=np.int64), len(sizes))
        self.blob: Ints = np.repeat(np.arange(len(sizes), dtype=np.int64), nodes)
        self.got: Floats = np.zeros(count)
        """Bytes from the front, of what is streamed."""
        self.is_whole: Bools = np.zeros(count, dtype=np.bool_)
        """Whether all is there, and the digest has matched."""
        self.useless: Floats = np.zeros(nodes)
        """By node, bytes that came and were of no use."""
        self.from_registry: Floats = np.zeros(len(sizes))
        """By blob, bytes that have left the registry."""

    def at(self, node: int, blob: int) -> int:
        """Return the index of a node's copy of a blob."""
        return blob * self._nodes + node

    def finish(self, copy: int) -> None:
        """Have all of it."""
        self.got[copy] = self.size[copy]
        self.is_whole[copy] = True

    def lose(self, node: int) -> None:
        """Have nothing at a node any more."""
        is_there = self.node == node
        self.got[is_there] = 0.0
        self.is_whole[is_there] = False
