"""Two nodes that both take a blob from its registry: which of them joins the other. One copy is enough."""

from typing import Final

from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.chain.order import Order
from p2player.pull.chain.others import Others

AHEAD: Final = 4 * 1024 * 1024
"""Bytes by which another chain has to be ahead for a head to join it that would otherwise be the one to stay; and half of them, or of
what is here, by which it may be behind for one that would not."""


class Heads:
    """What one node, the head of a chain, knows of other heads."""

    def __init__(self, me: NodeId, order: Order, others: Others) -> None:
        self._me = me
        self._order = order
        self._others = others
        self._relieved: Neighbour | None = None
        self._relieved_at = 0

    def to_join(self, offset: int, now: float, *, is_stuck: bool) -> Neighbour | None:
        """Return a node whose chain to join, as its head comes before this node or is far ahead: of two heads only one does that.

        If nothing comes from the registry any more (is_stuck), also one that has just got ahead.
        """
        for each in self._others.answering(now):
            standing = self._others.of(each)
            head = standing.place.head
            if head is None or head == self._me or self._follows(head):
                continue  # it is behind this node, or has yet to hear that it is
            # Their answers are older than what this node has by now, so of two that are as fast each would seem behind.
            is_before = self._order.rank(head) < self._order.rank(self._me)
            lead = -_margin(offset) if is_before else 1 if is_stuck else AHEAD
            if standing.offset >= offset + lead:
                return each
        return None

    def _follows(self, head: NodeId) -> bool:
        standing = self._others.standing(self._others.known[head]) if head in self._others.known else None
        return standing is not None and standing.place.depth > 0

    def relieve(self, source: Neighbour, offset: int) -> None:
        """Take note that this node goes to the registry in place of a source that waits itself, and has offset bytes."""
        self._relieved, self._relieved_at = source, offset

    @property
    def relieved(self) -> Neighbour | None:
        """The source in whose place this node went to the registry, while it is not known what became of it."""
        return self._relieved

    def has_come_back(self, node: NodeId, standing: Standing | None, offset: int) -> bool:
        """Tell whether a node is the source that was relieved, and gets bytes again from the registry, so that it can be followed."""
        if self._relieved is None or node != self._relieved.node:
            return False
        if standing is not None and standing.place.depth == 0 and standing.offset == self._relieved_at:
            return False  # it waits still
        self._relieved = None
        return standing is not None and standing.place.depth == 0 and standing.offset >= offset - _margin(offset)


def _margin(offset: int) -> int:
    return min(offset, AHEAD) // 2
