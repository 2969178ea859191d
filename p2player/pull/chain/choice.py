"""Whom to follow of those that have said how far they are."""

from collections.abc import Sequence
from typing import Final

from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour
from p2player.pull.chain.commands import Follow
from p2player.pull.chain.order import Order
from p2player.pull.chain.others import Others

CROWD: Final = 16
"""Of so many, whoever comes asks the one at the front for its place: it knows best how many there are."""


class Choice:
    """How one node, me, chooses from the others."""

    def __init__(self, me: NodeId, order: Order, others: Others) -> None:
        self._me = me
        self._order = order
        self._others = others

    def source(self, offset: int, depth: int, ancestors: Sequence[Neighbour], now: float) -> Follow | None:
        """Return the one to follow from byte `offset` on, for a node at a depth whose last source had it over these ancestors.

        None: nobody is ahead, or has as much and goes first.
        """
        ahead, level = self._others.ahead(offset, now), self.level(offset, depth, now)
        candidates = ahead or level
        if not candidates:
            return None
        # Who takes the place of a node that is gone leaves all others theirs.
        next_one = next((each for each in ancestors if each in ahead or each in level), None)
        # If the end of the chain cannot be found, better two followers than none.
        free = [each for each in candidates if not self._others.is_full(each.node, now)]
        if next_one is not None and not self._others.is_full(next_one.node, now):
            return Follow(next_one)
        is_newcomer = offset == 0 and len(self._others.known) >= CROWD
        preference = self._nearness_to_front if is_newcomer else self.preference
        return Follow(min(free or candidates, key=preference), insist=not free)

    def level(self, offset: int, depth: int, now: float) -> list[Neighbour]:
        """Return those who have as much as a node at a depth, and come before it."""
        level = [each for each in self._others.answering(now) if self._others.of(each).offset == offset]
        here = depth, self._order.rank(self._me)
        return [each for each in level if self._nearness_to_front(each) < here]

    def preference(self, neighbour: Neighbour) -> tuple[int, int, int]:
        """Return what orders those that can be followed: few followers, many bytes, just before this node."""
        standing = self._others.of(neighbour)
        return standing.followers, -standing.offset, self._order.distance(neighbour.node)

    def _nearness_to_front(self, neighbour: Neighbour) -> tuple[int, int]:
        return self._others.of(neighbour).place.depth, self._order.rank(neighbour.node)
