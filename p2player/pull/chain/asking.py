"""Asking several nodes at the same time how far they are with a blob, and for how long to wait for those that say nothing."""

from collections.abc import Iterable
from typing import Final

from p2player.peer.identity import NodeId

ANSWER_WITHIN: Final = 2.0
"""Seconds in which a node is to say how far it is. A busy one may need them; one that is gone mostly says so at once."""
GRACE: Final = 1.0
"""Seconds that a node is given when half of those asked have answered in less."""
TIMES_SLOWEST: Final = 3.0
"""How many times as long as the slowest of those that have answered the others are given: where everybody is busy, all are slow."""


class Asking:
    """Those who are asked in the same moment. Times are seconds of any clock that does not go back."""

    def __init__(self, nodes: Iterable[NodeId], now: float, *, is_urgent: bool) -> None:
        """Begin now. If it is urgent, those who take much longer than half of them or more are not waited for."""
        self.pending = set(nodes)
        """Who has not answered yet."""
        self._enough = (len(self.pending) + 1) // 2
        self._answers = 0
        self._began = now
        self._is_urgent = is_urgent
        self._slowest = 0.0

    def answered(self, node: NodeId, now: float) -> None:
        """Take note that a node has said how far it is."""
        self.pending.discard(node)
        self._answers += 1
        self._slowest = now - self._began

    def refused(self, node: NodeId) -> None:
        """Take note that nothing will come from a node."""
        self.pending.discard(node)

    def is_over(self, now: float) -> bool:
        """Tell whether those who have said nothing yet are no longer waited for."""
        patience = ANSWER_WITHIN
        if self._is_urgent and self._answers >= self._enough:
            patience = min(patience, max(GRACE, TIMES_SLOWEST * self._slowest))
        return now - self._began >= patience
