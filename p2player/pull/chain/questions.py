"""Whom a node asks how far they are with a blob, and for whose answers it waits."""

from collections.abc import Sequence
from typing import Final

from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.chain.asking import ANSWER_WITHIN, Asking
from p2player.pull.chain.commands import Ask, Command, Source
from p2player.pull.chain.flow import Flow
from p2player.pull.chain.order import Order
from p2player.pull.chain.others import SHUN_SILENT, Others

ASK_AT_ONCE: Final = 16
ASK_WHILE_WELL: Final = 3
"""How many are asked while bytes come: enough to notice that others are far ahead."""
ASK_WHEN_SUSPECT: Final = 5
"""How many are asked beside a source that has stopped: so many that some answer though neighbours of it are gone as well."""


class Questions:
    """A round of questions, by whose answers something is decided, and single ones beside it. Times are as in `course`."""

    def __init__(self, order: Order, others: Others, flow: Flow, now: float) -> None:
        self.asked_at = now
        """When anybody was last asked."""
        self.round_at = now
        """When the last round began."""
        self.was_for_all = False
        """Whether it went to all who may be asked, not to a few."""
        self._order = order
        self._others = others
        self._flow = flow
        self._round: Asking | None = None
        self._single: set[NodeId] = set()
        self._compared = 0

    @property
    def is_open(self) -> bool:
        """Whether a round is waited for."""
        return self._round is not None

    def begin(
        self, source: Source | None, ancestors: Sequence[Neighbour], now: float, *, for_all: bool = False
    ) -> Ask | None:
        """Begin a round, if there is anybody to ask: those nearest before this node, and its source.

        Once no byte comes, the ancestors, over whom the source had it, are asked first.
        """
        self.was_for_all = for_all or source is None or self._flow.is_stalled(now)
        is_quiet = source is None or self._flow.is_suspect(now)
        told = self._others.told_of(ancestors if is_quiet else ())
        first = {each.node: number for number, each in enumerate(told)}
        in_order = sorted(
            self._others.usable(now),
            key=lambda each: (first.get(each.node, len(first)), self._order.distance(each.node)),
        )
        asked = in_order[: ASK_AT_ONCE if self.was_for_all else ASK_WHEN_SUSPECT if is_quiet else ASK_WHILE_WELL]
        if isinstance(source, Neighbour) and source not in asked and not self._others.is_distrusted(source.node):
            asked.append(source)
        self.asked_at = self.round_at = now
        if not asked:
            return None
        # Who has yet to find its place would go to the registry beside somebody that is slow to answer.
        self._round = Asking((each.node for each in asked), now, is_urgent=self._flow.offset > 0)
        self._single.clear()
        return Ask(tuple(asked))

    def answered(self, node: NodeId, standing: Standing | None, now: float) -> bool:
        """Take an answer, and tell whether it was the last one of a round."""
        if self._round is None or node not in self._round.pending:
            return False  # it was decided without it
        if standing is not None:
            self._round.answered(node, now)
        else:
            self._round.refused(node)
            if now - self.asked_at >= ANSWER_WITHIN:
                self._others.fell_silent(node, now)
            else:
                self._others.shun(node, now + SHUN_SILENT)
        return not self._round.pending

    def is_over(self, now: float) -> bool:
        """Tell whether those who have not answered in the round are no longer waited for: they are silent, then."""
        if self._round is None or not self._round.is_over(now):
            return False
        for node in self._round.pending:
            self._others.fell_silent(node, now)
        return True

    def close(self) -> None:
        """Wait for no round any more."""
        self._round = None

    def single(self, neighbour: Neighbour, now: float) -> list[Command]:
        """Ask one node what it has, of which nothing else is decided."""
        self.asked_at = now
        self._single.add(neighbour.node)
        return [Ask((neighbour,))]

    def is_of_single(self, node: NodeId) -> bool:
        """Tell whether an answer of a node is that to a single question; for each question once."""
        if node not in self._single:
            return False
        self._single.discard(node)
        return True

    def compare(self, source: Source, depth: int, now: float) -> list[Command]:
        """Ask one more node, each time another, but none of those behind this one: they have what they have from here."""
        others = [each for each in self._others.usable(now) if each != source]
        before = [it for it in others if (standing := self._others.standing(it)) and standing.place.depth <= depth]
        if not (before or others):
            self.asked_at = now
            return []
        self._compared += 1
        in_order = sorted(before or others, key=lambda each: self._order.distance(each.node))
        return self.single(in_order[self._compared % len(in_order)], now)

    def is_asked(self, node: NodeId) -> bool:
        """Tell whether the answer of a node to a single question is waited for."""
        return node in self._single
