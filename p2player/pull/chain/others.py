"""What a node knows of the others that fetch a blob or have it: how far each was when it last said so, and whom to leave alone."""

from collections.abc import Iterable, Mapping
from typing import Final

from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour, Standing

SHUN: Final = 10.0
"""Seconds for which a node is not followed again that has failed."""
SHUN_SILENT: Final = 2.0
"""Seconds for which a node is not asked again that gave no answer."""
SILENT: Final = 10.0
"""Seconds after which a node that gave no answer, and was not asked since, may be well again."""


class Others:
    """The others by id. Times are seconds of any clock that does not go back."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._known: dict[NodeId, Neighbour] = {}
        self._standing: dict[NodeId, Standing] = {}
        self._shunned: dict[NodeId, float] = {}
        self._silent: dict[NodeId, float] = {}
        """Since when, for those who gave no answer when they were last asked, though they are connected."""
        self._full: dict[NodeId, float] = {}
        self._distrusted: set[NodeId] = set()

    @property
    def known(self) -> Mapping[NodeId, Neighbour]:
        """All that this node has heard of."""
        return self._known

    def sighted(self, neighbours: Iterable[Neighbour]) -> None:
        """Take note of nodes at the addresses that they have announced."""
        self._known.update((each.node, each) for each in neighbours if each.node != self._me)

    def told_of(self, neighbours: Iterable[Neighbour]) -> list[Neighbour]:
        """Take note of nodes that another one names, and return those that may be followed.

        Where a node is to be found, it says best itself: an address that others tell is good for nodes not sighted yet.
        """
        others = [each for each in neighbours if each.node != self._me and each.node not in self._distrusted]
        return [self._known.setdefault(each.node, each) for each in others]

    def heard(self, node: NodeId, standing: Standing) -> None:
        """Take a node's answer."""
        self._standing[node] = standing
        self._silent.pop(node, None)

    def fell_silent(self, node: NodeId, now: float) -> None:
        """Take note that a node gives no answer, and does not hang up either."""
        self._standing.pop(node, None)
        self._silent[node] = now

    def shun(self, node: NodeId, until: float) -> None:
        """Leave a node alone until then."""
        self._standing.pop(node, None)
        self._shunned[node] = until

    def is_full(self, node: NodeId, now: float) -> bool:
        """Tell whether a node has just sent this one on."""
        return self._full.get(node, now) > now

    def sent_on(self, node: NodeId, now: float) -> None:
        """Take note that a node has its followers."""
        self._full[node] = now + SHUN_SILENT

    def distrust(self, node: NodeId) -> None:
        """Never follow or ask a node again."""
        self._distrusted.add(node)

    def is_distrusted(self, node: NodeId) -> bool:
        """Tell whether a node is never followed."""
        return node in self._distrusted

    def is_silent(self, node: NodeId, now: float) -> bool:
        """Tell whether a node gave no answer when it was last asked."""
        since = self._silent.get(node)
        return since is not None and now - since < SILENT

    def of(self, neighbour: Neighbour) -> Standing:
        """Return how far a node was that has said so. Raises KeyError for others."""
        return self._standing[neighbour.node]

    def standing(self, neighbour: Neighbour) -> Standing | None:
        """Return how far a node was, or None if it has not said so."""
        return self._standing.get(neighbour.node)

    def usable(self, now: float) -> list[Neighbour]:
        """Return those who may be asked."""
        unusable = self._distrusted | {node for node, until in self._shunned.items() if until > now}
        unusable |= {node for node, since in self._silent.items() if now - since < SHUN_SILENT}
        return [neighbour for node, neighbour in self._known.items() if node not in unusable]

    def answering(self, now: float) -> list[Neighbour]:
        """Return those of them who have said how far they are."""
        return [each for each in self.usable(now) if each.node in self._standing]

    def ahead(self, offset: int, now: float) -> list[Neighbour]:
        """Return those of them who have more than offset bytes."""
        return [each for each in self.answering(now) if self.of(each).offset > offset]
