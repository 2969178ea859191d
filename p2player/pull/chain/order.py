"""The order in which nodes stand for a blob, so that those who find each other at the same moment agree on who goes first."""

from p2player.dht.records import key_of_digest
from p2player.oci.digest import Digest
from p2player.peer.identity import NODE_ID_BYTES, NodeId


class Order:
    """The order for one blob, as one node sees it."""

    def __init__(self, digest: Digest, me: NodeId) -> None:
        self._place = key_of_digest(digest)
        self._me = me

    def rank(self, node: NodeId) -> int:
        """Return what orders nodes for this digest: how far around the ring of node ids they are from its place."""
        return _behind(self._place, node.raw)

    def distance(self, node: NodeId) -> int:
        """Return how far before this node another one stands in the order of ranks: those behind it come last."""
        return _behind(node.raw, self._me.raw)


def _behind(first: bytes, second: bytes) -> int:
    """Return how far the second place is behind the first on the ring of node ids."""
    return (int.from_bytes(second) - int.from_bytes(first)) % (1 << 8 * NODE_ID_BYTES)
