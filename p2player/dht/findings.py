"""What a lookup has brought together so far, and when that is enough: pure, one kind of question each."""

from collections.abc import Iterable
from typing import Final

from p2player.dht.belief import Belief, everybody
from p2player.dht.providers import some_of
from p2player.dht.records import MAX_SKEW_MS, NameRecord, Provider, RecordError, Unpack, unpack_record
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId

QUORUM: Final = 4
"""Holders who have no more than is known before that is taken for all there is: records are stored at eight, and five of
those suffice for one of any four to have the latest; of any four at most three lie."""


class Providers:
    """The providers of one digest, the newest record of each node."""

    def __init__(
        self, digest: Digest, want: int, now_ms: int, *, without: NodeId, unpack: Unpack = unpack_record
    ) -> None:
        self._unpack = unpack
        self._digest = digest
        self._want = want
        self._now_ms = now_ms
        self._without = without
        self._newest: dict[NodeId, Provider] = {}
        self._held: list[int] = []

    def take(self, records: Iterable[bytes], total: int = 0) -> bool:
        """Take in some records of a holder; total, with the first of them, is how many it has.

        Returns whether there is nothing more to ask for.
        """
        for record in _verified(records, self._unpack):
            if isinstance(record, Provider) and record.digest == self._digest and not _is_future(record, self._now_ms):
                known = self._newest.get(record.node_id)
                if known is None or known.issued < record.issued:
                    self._newest[record.node_id] = record
        if total:
            self._held.append(total)
        # One that claims to hold more than it shows does not keep the lookup going.
        return self.enough or sum(held <= len(self._newest) for held in self._held) >= QUORUM

    @property
    def enough(self) -> bool:
        """Whether as many are known as are wanted."""
        return len(self._alive()) >= self._want

    def result(self) -> list[Provider]:
        """Return at most the wanted number of records alive, as `some_of` does, none of the node `without`."""
        return some_of(self._alive(), self._want)

    def _alive(self) -> list[Provider]:
        return [p for p in self._newest.values() if p.alive(self._now_ms) and p.node_id != self._without]


class Names:
    """The newest record of each name of one scope.

    There is no early end: nodes that were nearest before the cluster grew may hold old records and be met first.
    """

    def __init__(self, scope: str, now_ms: int, believes: Belief = everybody, unpack: Unpack = unpack_record) -> None:
        self._unpack = unpack
        self._scope = scope
        self._now_ms = now_ms
        self._believes = believes
        self._newest: dict[str, NameRecord] = {}

    def take(self, records: Iterable[bytes]) -> None:
        """Take in what one holder has."""
        for record in _verified(records, self._unpack):
            if (
                isinstance(record, NameRecord)
                and record.scope == self._scope
                and not _is_future(record, self._now_ms)
                and self._believes(record)
            ):
                known = self._newest.get(record.name)
                if known is None or known.rank < record.rank:
                    self._newest[record.name] = record

    def newest(self, name: str) -> NameRecord | None:
        """Return the newest record of name, be it one that withdraws the name."""
        return self._newest.get(name)

    def all(self) -> list[NameRecord]:
        """Return the newest record of every name that is not withdrawn, sorted by name."""
        return [record for _, record in sorted(self._newest.items()) if not record.withdrawn]


def last_name(records: Iterable[bytes], unpack: Unpack = unpack_record) -> str:
    """Return the greatest name among packed records, "" if there is none."""
    return max((record.name for record in _verified(records, unpack) if isinstance(record, NameRecord)), default="")


def _is_future(record: Provider | NameRecord, now_ms: int) -> bool:
    return record.issued > now_ms + MAX_SKEW_MS


def _verified(records: Iterable[bytes], unpack: Unpack) -> Iterable[Provider | NameRecord]:
    for raw in records:
        try:
            yield unpack(raw)
        except RecordError:
            continue
