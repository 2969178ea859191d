"""What a node answers to the requests of others: a pure function of what it knows and keeps."""

from collections import Counter
from typing import Final, assert_never

from p2player.dht.records import Provider, Unpack, unpack_record
from p2player.dht.routing import Table
from p2player.dht.storage import Answer, Refused, Storage
from p2player.dht.vantage import is_loopback
from p2player.dht.wire import (
    Address,
    FindName,
    FindNodes,
    FindProviders,
    ListNames,
    Ping,
    Reply,
    Request,
    Store,
    neighbours_that_fit,
    records_that_fit,
)

_NEIGHBOURS_TOLD: Final = 8
_NOTHING: Final = Answer([], 0)


class Responder:
    """Answers from one routing table and one storage."""

    def __init__(self, table: Table, storage: Storage, counters: Counter[str], unpack: Unpack = unpack_record) -> None:
        self._unpack = unpack
        self._table = table
        self._storage = storage
        self._counters = counters

    def answer(self, request: Request, asker: bytes, seen: Address, now_ms: int) -> Reply:
        """Return the reply to a request of the node asker, seen at that address; raises RecordError on a bad record."""
        match request:
            case Ping():
                return Reply(seen)
            case Store(raw):
                return self._store(raw, asker, seen, now_ms)
            case FindNodes(key):
                found = _NOTHING
            case FindProviders(key, turn, skip):
                found = self._storage.providers(key, turn, skip, now_ms)
            case FindName(key, name):
                found = self._storage.name(key, name, now_ms)
            case ListNames(key, after):
                found = self._storage.names(key, after, now_ms)
            case _:
                assert_never(request)
        records = records_that_fit(found.records)
        near = [c.neighbour for c in self._table.nearest(key, _NEIGHBOURS_TOLD + 1) if c.id != asker]
        if not is_loopback(seen.host):  # contacts at a loopback address are of use only to those who share it
            near = [neighbour for neighbour in near if not is_loopback(neighbour.address.host)]
        return Reply(seen, neighbours_that_fit(near[:_NEIGHBOURS_TOLD], records), records, found.total)

    def _store(self, raw: bytes, asker: bytes, seen: Address, now_ms: int) -> Reply:
        record = self._unpack(raw)
        try:
            if isinstance(record, Provider) and record.node_id.raw != asker:
                raise Refused("record_of_another")  # noqa: TRY301  (counted like what the storage refuses)
            newer = self._storage.put(record, now_ms)
        except Refused as refused:
            self._counters[f"dropped_{refused.reason}"] += 1
            newer = None
        return Reply(seen, records=() if newer is None else (newer,))
