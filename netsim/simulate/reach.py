"""Who reaches whom at the moment: nodes that live, on the same side of a partition."""

from collections.abc import Iterable

import numpy as np

from netsim.simulate.flows import Bools, Ints


class Reach:
    """What faults change. The registry counts as one more node, on the side that is not cut off."""

    def __init__(self, nodes: int) -> None:
        self._is_up: Bools = np.ones(nodes + 1, dtype=np.bool_)
        self._is_frozen: Bools = np.zeros(nodes + 1, dtype=np.bool_)
        self._side: Ints = np.zeros(nodes + 1, dtype=np.int64)

    def start(self, nodes: Iterable[int]) -> None:
        """Let nodes, or the registry, answer."""
        self._is_up[list(nodes)] = True

    def stop(self, nodes: Iterable[int]) -> None:
        """Let them answer no more."""
        self._is_up[list(nodes)] = False

    def freeze(self, nodes: Iterable[int]) -> None:
        """Let them answer no more, while their connections stay open."""
        self.stop(nodes)
        self._is_frozen[list(nodes)] = True

    def cut(self, nodes: Iterable[int], side: int) -> None:
        """Put nodes on a side of their own, or back on side 0."""
        self._side[list(nodes)] = side

    def is_up(self, node: int) -> bool:
        """Tell whether a node lives."""
        return self._is_up.item(node)

    def is_frozen(self, node: int) -> bool:
        """Tell whether a node stands still: it can be connected to, and says nothing."""
        return bool(self._is_frozen[node])

    def between(self, first: int, second: int) -> bool:
        """Tell whether two nodes (or REGISTRY) reach each other."""
        is_up, side = self._is_up.item, self._side.item
        return is_up(first) and is_up(second) and side(first) == side(second)

    def among(self, sources: Ints, targets: Ints) -> Bools:
        """Tell the same for many."""
        is_reached: Bools = self._is_up[sources] & self._is_up[targets] & (self._side[sources] == self._side[targets])
        return is_reached
