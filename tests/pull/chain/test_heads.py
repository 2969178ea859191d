"""Heads of chains that hear of each other: each test is a conversation with the course of one of them."""

import pytest

from p2player.pull.chain.commands import Ask, Follow, GoUpstream
from p2player.pull.chain.course import LOOK_BACK
from p2player.pull.chain.heads import AHEAD
from p2player.pull.chain.patience import STALLED, TAKE_OVER_FROM_HEAD
from tests.pull.chain.conversing import FIRST, FOURTH, SECOND, THIRD, at, begun, course


def test_of_two_heads_one_follows_the_other():
    lesser, greater = course(SECOND), course(FIRST)
    for each in (lesser, greater):
        assert each.sighted([], 0.0) == [GoUpstream()]
        each.moved(1000, 1.0)
    lesser.sighted([FIRST], 1.0)
    greater.sighted([SECOND], 1.0)
    assert lesser.answered(FIRST.node, at(900, depth=0, head=FIRST), 1.0) == [Follow(FIRST)]
    assert greater.answered(SECOND.node, at(1000, depth=0, head=SECOND), 1.0) == []
    greater.sighted([SECOND], 6.0)
    assert greater.answered(SECOND.node, at(1000 + AHEAD, depth=0, head=SECOND), 6.0) == [Follow(SECOND)]


def test_a_head_joins_another_chain_at_any_node_of_it_but_never_its_own():
    for head, joins in ((FIRST, True), (SECOND, False), (THIRD, False), (None, False)):
        course_ = course(SECOND)
        course_.sighted([], 0.0)
        course_.moved(1000, 1.0)
        course_.sighted([FOURTH], 1.0)
        standing = at(1000, depth=7, head=head)
        assert course_.answered(FOURTH.node, standing, 1.0) == ([Follow(FOURTH)] if joins else [])
        assert course_.place.head == (FIRST if joins else SECOND).node


def head_of(me, offset):
    """Return the course of a node that has had so many bytes from the registry, until second 1."""
    course_ = course(me)
    assert course_.sighted([], 0.0) == [GoUpstream()]
    course_.moved(offset, 1.0)
    return course_


def test_a_head_that_is_known_to_follow_somebody_by_now_is_none():
    course_ = head_of(SECOND, 5000)
    course_.sighted([FIRST, THIRD], 1.0)
    course_.answered(FIRST.node, at(4000, depth=3, head=FIRST), 1.0)
    assert course_.answered(THIRD.node, at(5000, depth=2, head=FIRST), 1.0) == [], (
        "it follows this node, and has not heard"
    )


@pytest.mark.parametrize(("ahead", "joins"), [(1, True), (0, False)])
def test_a_head_to_which_nothing_comes_any_more_joins_one_that_has_just_got_ahead(ahead, joins):
    course_ = head_of(FIRST, 5000)
    course_.sighted([SECOND], 1.0)
    assert course_.answered(SECOND.node, at(5000 + ahead, depth=0, head=SECOND), 1.0) == []
    now = 1.0 + STALLED
    assert course_.tick(now) == [Ask((SECOND,))]
    answer = course_.answered(SECOND.node, at(5000 + ahead, depth=0, head=SECOND), now)
    assert answer == ([Follow(SECOND)] if joins else [])


def in_place_of(source, offset):
    """Return the course of SECOND, which has gone to the registry as its source, the head, has had no more for long; and when."""
    course_, _ = begun(SECOND, {source: at(offset, depth=0, head=source)})
    course_.moved(offset, 0.0)
    now = 0.0
    while course_.source != "upstream":
        now += 0.5
        for command in course_.tick(now):
            if isinstance(command, Ask):
                course_.answered(source.node, at(offset, depth=0, head=source, followers=1), now)
        assert now < 3 * TAKE_OVER_FROM_HEAD
    course_.moved(offset + 1000, now + LOOK_BACK)
    assert course_.tick(now + LOOK_BACK) == [Ask((source,))]
    return course_, now + LOOK_BACK


def test_who_went_to_the_registry_in_place_of_its_source_follows_it_again_once_that_goes_on():
    course_, now = in_place_of(FIRST, 5000)
    assert course_.answered(FIRST.node, at(5000, depth=0, head=FIRST), now) == [], "it waits still"
    course_.moved(7000, now + LOOK_BACK)
    assert course_.tick(now + LOOK_BACK) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(6000, depth=0, head=FIRST), now + LOOK_BACK) == [Follow(FIRST)]


@pytest.mark.parametrize(
    "became_of_it",
    [None, at(6000, depth=2, head=SECOND), at(6000 - AHEAD, depth=0, head=FIRST)],
    ids=["it is gone", "it follows others", "it is far behind"],
)
def test_a_source_that_was_relieved_and_is_of_no_use_is_not_asked_for_again(became_of_it):
    course_, now = in_place_of(FIRST, 5000 + AHEAD)
    assert course_.answered(FIRST.node, became_of_it, now) == []
    for later in range(1, 5):
        course_.moved(6000 + AHEAD, now + later)
        assert course_.tick(now + later) == []


def test_who_takes_a_blob_from_the_registry_in_nobodys_place_asks_nobody_while_bytes_come():
    course_ = head_of(SECOND, 5000)
    course_.sighted([FOURTH], 1.0)
    course_.answered(FOURTH.node, at(0, depth=1, head=SECOND), 1.0)
    for later in range(2, 6):
        course_.moved(5000 * later, later)
        assert course_.tick(later) == []
