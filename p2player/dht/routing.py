"""Whom a node knows: kademlia's routing table, made exact, and freed of clock and network.

Buckets here are exactly the subtrees of the key space, so the nearest contacts come out subtree by subtree; the
library's own ranges overlap by one at each midpoint, and its `find_neighbors` returns near nodes, not the nearest.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, cast

from kademlia.node import Node
from kademlia.routing import KBucket, RoutingTable

from p2player.dht.wire import Address, Neighbour

ID_BITS: Final = 160
BUCKET_SIZE: Final = 20
_DEPTH_STEP: Final = 5  # buckets apart from our own are split down to depths this divides (Kademlia paper, section 4.2)
_MAX_SILENT: Final = 2
_ENOUGH_FAR: Final = 14


class Contact(Node):
    """A node and where it listens; `silent` counts the requests in a row that it left unanswered."""

    def __init__(self, node_id: bytes, address: Address) -> None:
        super().__init__(node_id, address.host, address.port)  # type: ignore[no-untyped-call]
        self.address: Final = address
        self.neighbour: Final = Neighbour(node_id, address)
        """What other nodes are told of it."""
        self.silent = 0


class Table(RoutingTable):
    """The contacts of the node with id own_id, in buckets that are finer around it.

    `on_new` hears of each new one, `on_silent` of each that has left its first request unanswered.
    """

    def __init__(
        self,
        own_id: bytes,
        *,
        on_new: Callable[[Contact], None] = lambda _contact: None,
        on_silent: Callable[[Contact], None] = lambda _contact: None,
    ) -> None:
        super().__init__(None, BUCKET_SIZE, Node(own_id))  # type: ignore[no-untyped-call]
        self._on_new = on_new
        self._on_silent = on_silent

    def __len__(self) -> int:
        return sum(map(len, self.buckets))

    def flush(self) -> None:
        """Forget every contact."""
        self.buckets: list[KBucket] = [KBucket(0, (1 << ID_BITS) - 1, self.ksize)]

    def get_bucket_for(self, node: Node) -> int:
        """Return the index of the bucket whose range node is in."""
        return self._index_of(node.long_id)

    def _index_of(self, long_id: int) -> int:
        return bisect_right(self.buckets, long_id, key=_start) - 1

    def _bucket_of(self, node_id: bytes) -> KBucket:
        return self.buckets[self._index_of(int.from_bytes(node_id, "big"))]

    def get(self, node_id: bytes) -> Contact | None:
        """Return the contact with that id, if it is known."""
        return cast("Contact | None", self._bucket_of(node_id)[node_id])

    def add_contact(self, node: Node) -> None:
        """Keep node as the most recently heard of. A full bucket splits, or gives up a contact gone silent, or waits."""
        index = self.get_bucket_for(node)
        bucket = self.buckets[index]
        if bucket.add_node(node):
            return
        depth = ID_BITS - (bucket.range[1] - bucket.range[0]).bit_length()
        if bucket.has_in_range(self.node) or depth % _DEPTH_STEP:
            self.split_bucket(index)  # type: ignore[no-untyped-call]
            self.add_contact(node)
            return
        silent = next((known for known in bucket.get_nodes() if known.silent), None)
        if silent is not None:
            bucket.remove_node(silent)

    def heard(self, node_id: bytes, address: Address) -> Contact:
        """Return the contact that has just answered from address, now in the table.

        A known one that still answers at another address is not moved: two nodes cannot be one.
        """
        known = self.get(node_id)
        contact = known if known is not None and known.address == address else Contact(node_id, address)
        if known is not None and known is not contact and not known.silent:
            return contact
        contact.silent = 0
        self.add_contact(contact)
        if known is None:
            self._on_new(contact)
        return contact

    def wants(self, node_id: bytes) -> bool:
        """Tell whether an unknown node is worth asking whether it is there.

        All nodes near this one are; far away a few of each region are enough, and answers to lookups bring more.
        """
        bucket = self._bucket_of(node_id)
        return len(bucket) < _ENOUGH_FAR or bucket.has_in_range(self.node)

    def missed(self, node_id: bytes, address: Address) -> None:
        """Note that a contact did not answer at address; two in a row, and it is forgotten."""
        contact = self.get(node_id)
        if contact is None or contact.address != address:
            return
        contact.silent += 1
        if contact.silent >= _MAX_SILENT:
            self.remove_contact(contact)  # type: ignore[no-untyped-call]
        else:
            self._on_silent(contact)

    def give_up(self, contact: Contact) -> None:
        """Forget contact if it is silent still."""
        if contact.silent and self.get(contact.id) is contact:
            self.remove_contact(contact)  # type: ignore[no-untyped-call]

    @property
    def somebody_answers(self) -> bool:
        """Whether any contact answered when it was last asked."""
        return any(not contact.silent for bucket in self.buckets for contact in bucket.nodes.values())

    def nearest(self, target: bytes, count: int, *, silent: bool = False) -> list[Contact]:
        """Return up to count contacts nearest to target, nearest first; those gone silent only if asked for."""
        goal = int.from_bytes(target, "big")
        found: list[Contact] = []
        for bucket in sorted(self.buckets, key=lambda bucket: _distance_to_range(goal, bucket.range)):
            nodes = bucket.nodes.values()
            near = [contact for contact in nodes if silent or not contact.silent]
            found += heapq.nsmallest(count - len(found), near, key=lambda contact: contact.long_id ^ goal)
            if len(found) >= count:
                break
        return found

    def contacts(self) -> list[Contact]:
        """Return every contact."""
        return [contact for bucket in self.buckets for contact in bucket.nodes.values()]


def _start(bucket: KBucket) -> int:
    start: int = bucket.range[0]
    return start


def _distance_to_range(goal: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return (low ^ goal) & ~(high - low)
