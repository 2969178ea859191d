"""Whom a node follows of those that have answered."""

from p2player.pull.chain.choice import CROWD
from p2player.pull.chain.commands import Follow, GoUpstream
from p2player.pull.chain.order import Order
from tests.pull.chain.conversing import DIGEST, FIRST, FOURTH, SECOND, THIRD, at, begun, course, neighbour


def test_of_those_who_begin_at_once_one_goes_and_each_other_follows_the_one_before():
    start = at(0)
    assert begun(FIRST, {SECOND: start, THIRD: start})[1] == [GoUpstream()]
    assert begun(SECOND, {FIRST: start, THIRD: start})[1] == [Follow(FIRST)]
    assert begun(THIRD, {FIRST: start, SECOND: start})[1] == [Follow(SECOND)]


def test_who_is_under_way_is_followed_whatever_its_rank():
    assert begun(FIRST, {FOURTH: at(1000, depth=0)})[1] == [Follow(FOURTH)]
    assert begun(FIRST, {FOURTH: at(0, depth=0)})[1] == [Follow(FOURTH)]


def test_one_that_nobody_follows_is_followed_first():
    heard = {FIRST: at(3000, depth=0, followers=1), SECOND: at(1000, depth=1)}
    assert begun(THIRD, heard)[1] == [Follow(SECOND)]


def test_of_many_each_asks_the_one_at_the_front_for_its_place_and_of_few_the_one_before():
    for crowd, is_many in ((CROWD, True), (CROWD - 1, False)):
        others = [neighbour(number) for number in range(10, 10 + crowd)]
        me = neighbour(200)
        first = min(others, key=lambda it: Order(DIGEST, it.node).rank(it.node))
        _, commands = begun(me, dict.fromkeys(others, at(1000, depth=5)) | {first: at(1000, depth=4, followers=1)})
        assert (commands == [Follow(first)]) == is_many


def test_of_many_who_has_had_a_place_already_takes_one_that_is_free():
    others = {neighbour(number): at(2000, depth=0, followers=1) for number in range(10, 10 + CROWD)}
    course_ = course(neighbour(200))
    course_.moved(1000, 0.0)
    course_.sighted([*others, FIRST], 0.0)
    course_.answered(FIRST.node, at(2000, depth=9), 0.0)
    assert [course_.answered(each.node, standing, 0.0) for each, standing in others.items()][-1] == [Follow(FIRST)]
