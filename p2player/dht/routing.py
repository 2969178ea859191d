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


class Contact(Node):
    """A node and where it listens; `silent` counts the requests in a row that it left unanswered."""

    def __init__(self, node_id: bytes, address: Address) -> None:
        super().__init__(node_id, address.host, address.port)  # type: ignore[no-untyped-call]
        self.silent = 0

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(self.ip, self.port)

    @property
    def neighbour(self) -> Neighbour:
        """What other nodes are told of it."""
        return Neighbour(self.id, self.address)


class Table(RoutingTable):
    """The contacts of the node with id own_id, in buckets that are finer around it. `on_new` hears of each new one."""

    def __init__(self, own_id: bytes, *, on_new: Callable[[Contact], None] = lambda _contact: None) -> None:
        super().__init__(None, BUCKET_SIZE, Node(own_id))  # type: ignore[no-untyped-call]
        self._on_new = on_new

    def __len__(self) -> int:
        return sum(map(len, self.buckets))

    def flush(self) -> None:
        """Forget every contact."""
        self.buckets: list[KBucket] = [KBucket(0, (1 << ID_BITS) - 1, self.ksize)]

    def get_bucket_for(self, node: Node) -> int:
        """Return the index of the bucket whose range node is in."""
        return bisect_right(self.buckets, node.long_id, key=lambda bucket: bucket.range[0]) - 1

    def get(self, node_id: bytes) -> Contact | None:
        """Return the contact with that id, if it is known."""
        bucket = self.buckets[self.get_bucket_for(Node(node_id))]
        return cast("Contact | None", bucket[node_id])

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
        """Return the contact that has just answered from address, now in the table."""
        known = self.get(node_id)
        contact = known if known is not None and known.address == address else Contact(node_id, address)
        contact.silent = 0
        self.add_contact(contact)
        if known is None:
            self._on_new(contact)
        return contact

    def met(self, node_id: bytes, address: Address) -> None:
        """Keep a node that sent a request. Only an answer can move a known one to another address."""
        if self.get(node_id) is None:
            contact = Contact(node_id, address)
            self.add_contact(contact)
            self._on_new(contact)

    def missed(self, node_id: bytes) -> None:
        """Note that a contact did not answer; two in a row, and it is forgotten."""
        contact = self.get(node_id)
        if contact is None:
            return
        contact.silent += 1
        if contact.silent >= _MAX_SILENT:
            self.remove_contact(contact)  # type: ignore[no-untyped-call]

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


def _distance_to_range(goal: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return (low ^ goal) & ~(high - low)
