"""Nodes that know the cluster's secret and lie: each is a real one, but for its answers."""

from collections.abc import Callable
from typing import Any

from p2player.dht.node import DhtNode
from p2player.dht.records import unpack_record
from p2player.dht.wire import Address, FindNodes, FindProviders, Neighbour, Ping, Reply, Store

_TOLD = 8
Lie = Callable[["Liar", Any, bytes, Address], Reply | None]


class Liar:
    """Answers the requests to node with lie, or as ordered by the honest answer where that returns None."""

    def __init__(self, network: Any, node: DhtNode, lie: Lie) -> None:
        self.network = network
        self.node = node
        self.address = Address(node.host, 7400)
        self.seen: dict[bytes, bytes] = {}
        self.invented = 0
        self._lie = lie
        self._honest = node._protocol._answer
        node._protocol._answer = self._answer

    def honest(self, request: Any, asker: bytes, seen: Address) -> Reply:
        return self._honest(request, asker, seen)

    def _answer(self, request: Any, asker: bytes, seen: Address) -> Reply:
        reply = self._lie(self, request, asker, seen)
        return self.honest(request, asker, seen) if reply is None else reply


def _near(key: bytes, distance: int) -> bytes:
    return (int.from_bytes(key, "big") ^ (distance + 1)).to_bytes(20, "big")


def names_itself_alone(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if isinstance(request, Ping):
        return None
    return Reply(seen, (Neighbour(liar.node._table.node.id, liar.address),))


def invents_dead_neighbours(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if isinstance(request, Ping | Store):
        return None
    liar.invented += _TOLD
    hosts = (f"10.200.{(liar.invented + n) >> 8 & 255}.{(liar.invented + n) & 255}" for n in range(_TOLD))
    distances = (liar.invented * 977 + n for n in range(_TOLD))
    told = (Neighbour(_near(request.key, d), Address(host, 7400)) for d, host in zip(distances, hosts, strict=True))
    return Reply(seen, tuple(told))


def invents_neighbours_at_its_own_address(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if isinstance(request, Ping | Store):
        return None
    ports = range(7400, 7400 + _TOLD)
    return Reply(seen, tuple(Neighbour(_near(request.key, p), Address(liar.node.host, p)) for p in ports))


def has_nothing_and_swallows_stores(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if isinstance(request, Store):
        return Reply(seen)
    if isinstance(request, Ping):
        return None
    return liar.honest(FindNodes(request.key), asker, seen)


def claims_to_have_more_than_it_shows(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if not isinstance(request, FindProviders):
        return None
    honest = liar.honest(FindNodes(request.key), asker, seen)
    return Reply(seen, honest.neighbours, (), 10_000)


def gives_the_oldest_records_it_ever_saw(liar: Liar, request: Any, asker: bytes, seen: Address) -> Reply | None:
    if isinstance(request, Store):
        record = unpack_record(request.record)
        liar.seen.setdefault(record.key + record.node_id.raw, request.record)
        return Reply(seen)
    if not isinstance(request, FindProviders):
        return None
    honest = liar.honest(FindNodes(request.key), asker, seen)
    old = [raw for place, raw in liar.seen.items() if place.startswith(request.key)]
    return Reply(seen, honest.neighbours, tuple(old[:3]), len(old))


LIES: tuple[Lie, ...] = (
    names_itself_alone,
    invents_dead_neighbours,
    invents_neighbours_at_its_own_address,
    has_nothing_and_swallows_stores,
    claims_to_have_more_than_it_shows,
    gives_the_oldest_records_it_ever_saw,
)
