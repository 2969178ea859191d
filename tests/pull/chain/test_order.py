from p2player.dht.records import key_of_digest
from p2player.oci.digest import Digest
from p2player.peer.identity import NODE_ID_BYTES, NodeId
from p2player.pull.chain.order import Order

DIGEST = Digest.of(b"blob")
KEY = int.from_bytes(key_of_digest(DIGEST))


def at(place):
    return NodeId((place % (1 << 8 * NODE_ID_BYTES)).to_bytes(NODE_ID_BYTES))


def test_nodes_stand_in_the_order_of_the_ring_from_the_place_of_the_digest_on():
    nodes = [at(KEY), at(KEY + 1), at(KEY + 2**159), at(KEY - 1)]
    assert sorted(nodes, key=Order(DIGEST, at(7)).rank) == nodes


def test_nearest_is_who_stands_right_before():
    nodes = [at(-1), at(-(2**100)), at(2)]
    assert sorted(nodes, key=Order(DIGEST, at(0)).distance) == nodes
