"""The records a node keeps for others, in memory: merged, aged, and bounded whatever the cluster sends.

Providers of a digest are a set with one record a node, the newest; a withdrawn one stays as a tombstone until it
expires, so that the record it ends cannot come back from a node that missed the withdrawal. Of a name only the newest
record counts, on every node the same one; it is kept for a lease that whoever stores it again renews.
Records are kept packed: that is a third of the memory, and how they are sent. No signer may fill more than a quarter; when
all is full, one who has little gets the place of the oldest record of the one who has most.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from p2player.dht.belief import Belief, everybody
from p2player.dht.providers import MAX_PROVIDERS_OF_KEY, around, gives_way, in_turn, turned
from p2player.dht.records import MAX_SKEW_MS, NameRecord, Provider
from p2player.dht.shares import Place, Shares

NAME_LEASE_MS: Final = 2 * 3600 * 1000
MAX_NAMES_OF_SCOPE: Final = 4096
MAX_RECORDS: Final = 1 << 16
_SIGNERS_THAT_FILL_IT: Final = 4


class Refused(ValueError):
    """A record that is not kept; `reason` is the name it is counted under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer(NamedTuple):
    """Packed records, in the order to send them, and how many there are in all."""

    records: list[bytes]
    total: int


@dataclass(frozen=True, slots=True)
class _HeldProvider:
    raw: bytes
    issued: int
    expires: int
    complete: bool
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class _HeldName:
    raw: bytes
    signer: bytes
    rank: tuple[int, bytes]
    leased_until: int


@dataclass(slots=True)
class _Scope:
    names: dict[str, _HeldName] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


class Storage:
    """Records by DHT key. Times are milliseconds since the epoch, always given by the caller."""

    def __init__(self, *, max_records: int = MAX_RECORDS, believes: Belief = everybody) -> None:
        self._believes = believes
        self._max_records = max_records
        self._max_of_signer = max(1, max_records // _SIGNERS_THAT_FILL_IT)
        self._count = 0
        self._shares = Shares()
        self._providers: dict[bytes, dict[bytes, _HeldProvider]] = {}
        self._scopes: dict[bytes, _Scope] = {}

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for held in self._providers.values():
            yield from (provider.raw for provider in held.values())
        for scope in self._scopes.values():
            yield from (name.raw for name in scope.names.values())

    def put(self, record: Provider | NameRecord, now_ms: int) -> bytes | None:
        """Keep record, or return the newer one that is kept instead.

        Raises Refused where it is expired, from the future, not believed, or there is no room.
        """
        if record.issued > now_ms + MAX_SKEW_MS:
            raise Refused("record_from_the_future")
        if isinstance(record, Provider):
            return self._put_provider(record, now_ms)
        return self._put_name(record, now_ms)

    def providers(self, key: bytes, turn: int, skip: int, now_ms: int) -> Answer:
        """Return the records under key from the skip-th on: complete and partial providers in turn, then withdrawn ones.

        `turn` says where in each of these to begin, so that askers who each choose another get other ones first.
        """
        complete: list[bytes] = []
        partial: list[bytes] = []
        withdrawn: list[bytes] = []
        for _, held in sorted(self._providers.get(key, {}).items(), key=lambda item: around(key, item[0])):
            if now_ms < held.expires:
                (withdrawn if held.withdrawn else complete if held.complete else partial).append(held.raw)
        records = [*in_turn(complete, partial, turn), *turned(withdrawn, turn)]
        return Answer(records[skip:], len(records))

    def name(self, key: bytes, name: str, now_ms: int) -> Answer:
        """Return the record of name under key, if it is kept."""
        scope = self._scopes.get(key)
        held = scope and scope.names.get(name)
        if not held or held.leased_until <= now_ms:
            return Answer([], 0)
        return Answer([held.raw], 1)

    def names(self, key: bytes, after: str, now_ms: int) -> Answer:
        """Return the records under key whose names sort behind after, withdrawn ones too, in order of their names."""
        scope = self._scopes.get(key)
        if scope is None:
            return Answer([], 0)
        following = (scope.names[name] for name in scope.order[bisect_right(scope.order, after) :])
        records = [held.raw for held in following if now_ms < held.leased_until]
        return Answer(records, len(records))

    def expire(self, now_ms: int) -> None:
        """Drop what has expired, what nobody renewed, and what a clock since corrected had let in from the future."""
        latest = now_ms + MAX_SKEW_MS
        for key, held in list(self._providers.items()):
            for node_id in [n for n, one in held.items() if one.expires <= now_ms or one.issued > latest]:
                self._remove_provider(key, node_id)
        for key, scope in list(self._scopes.items()):
            for name in [n for n, one in scope.names.items() if one.leased_until <= now_ms or one.rank[0] > latest]:
                self._remove_name(key, name)

    def _put_provider(self, record: Provider, now_ms: int) -> bytes | None:
        if record.expires <= now_ms:
            raise Refused("record_expired")
        key, node_id = record.key, record.node_id.raw
        held = self._providers.get(key, {})
        known = held.get(node_id)
        if known is not None and known.issued > record.issued:
            return known.raw
        fresh = _HeldProvider(record.pack(), record.issued, record.expires, record.complete, record.withdrawn)
        if known is None:
            if len(held) >= MAX_PROVIDERS_OF_KEY:
                self._check_share(node_id)
                least = gives_way(key, held, fresh)
                if least is None:
                    raise Refused("record_without_room")
                self._remove_provider(key, least)
            else:
                self._make_room(node_id)
            self._count += 1
            self._shares.add(node_id, (key, node_id))
        self._providers.setdefault(key, {})[node_id] = fresh
        return None

    def _put_name(self, record: NameRecord, now_ms: int) -> bytes | None:
        if not self._believes(record):
            raise Refused("record_not_believed")
        key, signer = record.key, record.node_id.raw
        scope = self._scopes.get(key, _Scope())
        known = scope.names.get(record.name)
        if known is not None and known.rank > record.rank:
            return known.raw
        if known is None or known.signer != signer:
            if known is not None:
                self._check_share(signer)
                self._shares.remove(known.signer, (key, record.name))
            else:
                if len(scope.names) >= MAX_NAMES_OF_SCOPE:
                    raise Refused("record_without_room")
                self._make_room(signer)
                self._count += 1
                scope = self._scopes.setdefault(key, scope)
                insort(scope.order, record.name)
            self._shares.add(signer, (key, record.name))
        scope.names[record.name] = _HeldName(record.pack(), signer, record.rank, now_ms + NAME_LEASE_MS)
        return None

    def _check_share(self, signer: bytes) -> None:
        if self._shares.count(signer) >= self._max_of_signer:
            raise Refused("record_beyond_share")

    def _make_room(self, signer: bytes) -> None:
        self._check_share(signer)
        if self._count < self._max_records:
            return
        largest = self._shares.largest()
        if self._shares.count(largest) <= self._shares.count(signer) + 1:
            raise Refused("record_without_room")
        self._remove(self._shares.oldest(largest))

    def _remove(self, place: Place) -> None:
        key, which = place
        if isinstance(which, bytes):
            self._remove_provider(key, which)
        else:
            self._remove_name(key, which)

    def _remove_provider(self, key: bytes, node_id: bytes) -> None:
        held = self._providers[key]
        del held[node_id]
        self._shares.remove(node_id, (key, node_id))
        self._count -= 1
        if not held:
            del self._providers[key]

    def _remove_name(self, key: bytes, name: str) -> None:
        scope = self._scopes[key]
        self._shares.remove(scope.names.pop(name).signer, (key, name))
        scope.order.remove(name)
        self._count -= 1
        if not scope.names:
            del self._scopes[key]
