from random import Random

from hypothesis import given
from hypothesis import strategies as st

from netsim.simulate.acquaintances import Acquaintances
from p2player.dht.routing import BUCKET_SIZE
from p2player.dht.wire import Address, Neighbour

ANYWHERE = Address("10.0.0.1", 7400)


def _nodes(count, seed=1):
    rng = Random(seed)
    return [Neighbour(rng.randbytes(20), ANYWHERE) for _ in range(count)]


def _distance(one, other):
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


@given(st.integers(1, 80), st.integers(0, 1000), st.binary(min_size=20, max_size=20), st.integers(1, 20))
def test_the_nearest_of_all_are_told_nearest_first(count, seed, key, wanted):
    nodes = _nodes(count, seed)

    told = Acquaintances(nodes).nearest(key, wanted)

    assert told == sorted(nodes, key=lambda node: _distance(node.node_id, key))[:wanted]


def test_a_node_knows_those_nearest_to_it_and_not_itself():
    nodes = _nodes(500)
    everybody = Acquaintances(nodes)

    for node in nodes[:20]:
        known = everybody.of(node, Random(1))
        assert node not in known
        assert len(set(known)) == len(known)
        assert {other for other in everybody.nearest(node.node_id, 8) if other != node} <= set(known)


def test_of_far_regions_a_node_knows_some_only():
    nodes = _nodes(3000)

    known = Acquaintances(nodes).of(nodes[0], Random(1))

    half = [node for node in known if (node.node_id[0] ^ nodes[0].node_id[0]) & 0x80]
    assert 10 < len(half) <= BUCKET_SIZE


def test_in_a_small_network_everybody_knows_everybody():
    nodes = _nodes(12)

    assert set(Acquaintances(nodes).of(nodes[3], Random(1))) == set(nodes) - {nodes[3]}
