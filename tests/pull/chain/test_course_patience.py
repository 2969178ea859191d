"""A source that waits itself: how long each node of a chain waits before it does something about it."""

from p2player.peer.shape import NO_SOURCE
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.commands import Ask, Fail, Follow, GoUpstream
from p2player.pull.chain.course import UNPLACED
from p2player.pull.chain.patience import (
    GIVE_UP,
    HOP,
    HOPS,
    ON_THE_WAY,
    STALLED,
    TAKE_OVER,
    TAKE_OVER_FROM_HEAD,
)
from tests.pull.chain.conversing import FIRST, FOURTH, SECOND, THIRD, at, begun


def test_a_source_that_has_bytes_and_does_not_send_them_is_left():
    course_, _ = begun(THIRD, {FIRST: at(9000, depth=0)})
    course_.moved(1000, 1.0)
    assert course_.tick(1.0 + STALLED) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(9000, depth=0), 2.5) == [GoUpstream()]


def test_a_source_is_not_left_for_bytes_that_it_has_had_for_a_moment_only():
    course_, _ = begun(THIRD, {SECOND: at(0, depth=1)})
    assert course_.tick(STALLED) == [Ask((SECOND,))]
    assert course_.answered(SECOND.node, at(1000, depth=1), STALLED) == [], "they may be on the way"
    assert course_.tick(STALLED + ON_THE_WAY) == [Ask((SECOND,))]
    assert course_.answered(SECOND.node, at(1000, depth=1), STALLED + ON_THE_WAY) == [GoUpstream()]


def test_a_source_that_waits_itself_is_waited_for_and_then_passed_by():
    course_, _ = begun(THIRD, {SECOND: at(1000, depth=1)})
    course_.moved(1000, 1.0)
    heard = []
    now = 1.0
    while not heard or heard[-1] != [GoUpstream()]:
        now += 0.5
        heard += [
            course_.answered(SECOND.node, at(1000, depth=1), now) if isinstance(command, Ask) else [command]
            for command in course_.tick(now)
        ]
        assert now < 10
    assert now >= 1.0 + TAKE_OVER + 1, "the one before it would have gone first"


def waiting(depth):
    """Return a course whose source has nothing more since second 0, as the source says, while another one has."""
    course_, _ = begun(FOURTH, {FIRST: at(1000, depth=0, followers=1), SECOND: at(500, depth=depth)})
    assert course_.source == SECOND
    course_.moved(500, 0.0)
    return course_


def until_it_insists(course_, depth):
    now = 0.0
    while now < GIVE_UP:
        now += 0.5
        for command in course_.tick(now):
            for asked in command.neighbours:
                standing = at(1000, depth=0, followers=1) if asked == FIRST else at(500, depth=depth)
                if commands := course_.answered(asked.node, standing, now):
                    assert commands == [Follow(FIRST, insist=True)]
                    return now
    raise AssertionError("it has waited too long")


def test_far_down_a_chain_that_fills_it_waits_for_longer_than_near_its_head():
    near, far = (until_it_insists(waiting(depth), depth) for depth in (1, 20))
    assert STALLED <= near <= STALLED + ANSWER_WITHIN + HOP + 2
    assert far >= STALLED + 20 * HOP


def test_what_others_have_got_only_now_after_all_have_waited_is_left_to_come_the_way_it_does():
    course_, _ = begun(FOURTH, {FIRST: at(500, depth=0, followers=1), SECOND: at(500, depth=8)})
    course_.take_up(Follow(SECOND), 0.0)
    course_.moved(500, 0.0)
    now = 0.0
    while now < TAKE_OVER_FROM_HEAD:
        now += 0.5
        at_head = 1000 if now >= 6.0 else 500  # 6 s are more than its place in the chain would have it wait
        for command in course_.tick(now):
            for asked in command.neighbours:
                standing = at(at_head, depth=0, followers=1) if asked == FIRST else at(500, depth=8)
                assert course_.answered(asked.node, standing, now) == []
    course_.moved(1000, now)
    assert course_.source == SECOND


def test_no_source_is_waited_for_without_end_however_deep_it_says_it_is():
    assert until_it_insists(waiting(999_998), 999_998) <= STALLED + ANSWER_WITHIN + HOPS + 2


def test_who_follows_a_node_it_was_sent_on_to_learns_from_it_how_deep_it_is():
    course_, _ = begun(FOURTH, {FIRST: at(1000, depth=0)})
    course_.sent_on([SECOND], 1, 0.0)
    course_.let_in(at(0, depth=7), 0.1)
    assert course_.depth == 8


def test_who_follows_one_without_a_source_asks_it_again_soon_how_deep_it_is_by_then():
    course_, _ = begun(SECOND, {FIRST: at(0)})
    assert course_.depth > NO_SOURCE
    assert course_.tick(UNPLACED) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(0, depth=0), UNPLACED) == []
    assert course_.depth == 1
    assert course_.tick(3 * UNPLACED) == []


def test_who_has_no_registry_waits_behind_a_source_that_waits_but_not_for_ever():
    course_, _ = begun(THIRD, {FIRST: at(1000, depth=0)}, has_origin=False)
    course_.moved(1000, 1.0)
    for now, expected in ((GIVE_UP, []), (GIVE_UP + 3.0, [Fail])):
        course_.tick(now)
        answer = course_.answered(FIRST.node, at(1000, depth=0), now)
        assert [type(command) for command in answer] == expected


def test_whoever_it_turns_to_it_does_not_wait_longer_for_the_next_byte():
    course_, _ = begun(THIRD, {FIRST: at(1000, depth=0)})
    course_.moved(1000, 1.0)
    now, heard = 1.0, []
    while Fail not in map(type, heard):
        now += 1.0
        for command in course_.tick(now):
            heard += course_.answered(FIRST.node, at(1000, depth=0), now) if isinstance(command, Ask) else [command]
        assert now <= 1.0 + GIVE_UP + STALLED + 1, heard
    assert GoUpstream() in heard


def test_while_the_head_answers_it_is_given_more_time():
    course_, _ = begun(THIRD, {FIRST: at(1000, depth=0)})
    course_.moved(1000, 1.0)
    course_.tick(1.0 + TAKE_OVER + 2)
    assert course_.answered(FIRST.node, at(1000, depth=0), 1.0 + TAKE_OVER + 2) == []
    course_.tick(1.0 + TAKE_OVER_FROM_HEAD + 1)
    assert course_.answered(FIRST.node, at(1000, depth=0), 1.0 + TAKE_OVER_FROM_HEAD + 1) == [GoUpstream()]
