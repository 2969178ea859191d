from p2player.peer.shape import NO_SOURCE
from p2player.pull.chain.patience import HOP, HOPS, TAKE_OVER, TAKE_OVER_FROM_HEAD, of_depth, until_take_over


def test_the_further_from_the_head_the_longer_bytes_may_take_but_not_for_ever():
    assert [of_depth(depth) for depth in (0, 4, 10**6 - 1)] == [0.0, 4 * HOP, HOPS]
    assert of_depth(NO_SOURCE + 3) == 3 * HOP, "counted from one that has found nobody yet"


def test_each_node_waits_a_second_longer_than_those_before_it_before_it_goes_to_the_registry():
    for nearer in range(3):
        assert until_take_over(0, nearer, is_head_there=False) == TAKE_OVER + nearer
        assert until_take_over(0, nearer, is_head_there=True) == TAKE_OVER_FROM_HEAD + nearer


def test_who_is_deep_in_a_chain_waits_longer_than_who_is_there_to_be_seen():
    assert until_take_over(20, 1, is_head_there=False) == TAKE_OVER + 1.5 * of_depth(20)
