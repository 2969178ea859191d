"""A node that falls far behind others although bytes come: its source is slow, or is reached over a slow link."""

from typing import Final

from p2player.peer.standing import Neighbour, Standing
from p2player.pull.chain.choice import Choice
from p2player.pull.chain.flow import Flow
from p2player.pull.chain.others import SHUN, Others

LAG_BYTES: Final = 8 * 1024 * 1024
LAG_SECONDS: Final = 8.0
"""What is taken from a node that falls behind by more than this is taken from another one."""


class Lag:
    """Whether one node is behind, and whom it is to follow then."""

    def __init__(self, others: Others, choice: Choice, flow: Flow) -> None:
        self._others = others
        self._choice = choice
        self._flow = flow
        self._patience = SHUN

    def is_great(self, source: Neighbour, now: float) -> bool:
        """Tell whether others are far ahead, or the source itself is; never so soon after the last change."""
        is_new = self._flow.followed(now) < self._patience
        return not is_new and (self._is_source_far_ahead(source, now) or bool(self._far_ahead(source, now)))

    def way_around(self, source: Neighbour, depth: int, now: float) -> Neighbour | None:
        """Return whom a node at a depth is to follow in place of a source behind which its lag is great, if there is anybody."""
        far_ahead = self._far_ahead(source, now)
        if not self._is_source_far_ahead(source, now):
            # It is slow before it comes to the source. Who comes next behind the slow link goes around it, and all behind are
            # well again. That whole nodes are far ahead says nothing: they always are.
            far_ahead = [
                it for it in far_ahead if self._others.of(it).place.depth >= depth - 2 and not self._is_taken(it)
            ]
        if not far_ahead:
            return None
        # Should it not help, this node's own link is what is slow; then it is not tried as soon again.
        self._patience *= 2
        return min(far_ahead, key=lambda each: (self._is_taken(each), self._choice.preference(each)))

    def _far_ahead(self, source: Neighbour, now: float) -> list[Neighbour]:
        others = [each for each in self._others.ahead(self._flow.offset, now) if each != source]
        return [each for each in others if self._is_far_ahead(self._others.of(each), now)]

    def _is_source_far_ahead(self, source: Neighbour, now: float) -> bool:
        standing = self._others.standing(source)
        return standing is not None and not standing.is_whole and self._is_far_ahead(standing, now)

    def _is_far_ahead(self, standing: Standing, now: float) -> bool:
        # Its followers can be expected to be there, given that they share its uplink.
        reach = standing.offset // standing.most_followers
        return reach - self._flow.offset >= max(LAG_BYTES, LAG_SECONDS * self._flow.rate(now))

    def _is_taken(self, neighbour: Neighbour) -> bool:
        """Tell whether a node has all of the blob, and its follower."""
        standing = self._others.of(neighbour)
        return standing.is_whole and standing.followers > 0
