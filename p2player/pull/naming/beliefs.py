"""Which records of names count on this node.

Those of a banned node do not. Without a rule all others do. With any, a record of a tag counts only if this node signed it or a rule covers its signer and its name.
Referrers are no tags: what they say is checked against the documents themselves.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from p2player.counters import Counters
from p2player.dht.records import NameRecord
from p2player.peer.identity import NodeId
from p2player.pull.held.holdings import REFERRERS, record_of
from p2player.pull.naming.publishers import Rule
from p2player.store.rows import NameRow

_NAMES_KEPT: Final = 1000
_SIGNERS_KEPT: Final = 16


class Beliefs:
    """Whom one node believes about names, and whom it did not believe lately."""

    def __init__(
        self,
        rules: Sequence[Rule],
        me: NodeId,
        counters: Counters,
        bans: Callable[[], frozenset[bytes]] = frozenset,
    ) -> None:
        """Believe by these rules, and nothing of those whom bans names."""
        self._rules = rules
        self._bans = bans
        self._me = me
        self._counters = counters
        self._refused: OrderedDict[tuple[str, str], dict[NodeId, None]] = OrderedDict()

    def believes(self, record: NameRecord) -> bool:
        """Tell whether record counts. One that does not is counted, and remembered for `refused`."""
        signer = record.node_id
        if signer.raw not in self._bans() and self._may_publish(signer, record):
            return True
        self._counters.count("names.not_believed")
        signers = self._refused.setdefault((record.scope, record.name), {})
        if len(signers) < _SIGNERS_KEPT:
            signers[signer] = None
        self._refused.move_to_end((record.scope, record.name))
        if len(self._refused) > _NAMES_KEPT:
            self._refused.popitem(last=False)
        return False

    def _may_publish(self, signer: NodeId, record: NameRecord) -> bool:
        return (
            not self._rules
            or record.scope.startswith(REFERRERS)
            or signer == self._me
            or any(rule.covers(signer, record.scope, record.name) for rule in self._rules)
        )

    def among(self, rows: Iterable[NameRow]) -> list[NameRow]:
        """Return the rows that count now. They may have been kept when there were other rules or fewer bans."""
        if not self._rules and not self._bans():
            return list(rows)
        return [row for row in rows if (record := record_of(row)) is not None and self.believes(record)]

    def refused(self, scope: str, name: str) -> tuple[NodeId, ...]:
        """Return who has published a name lately without being believed."""
        return tuple(self._refused.get((scope, name), ()))
