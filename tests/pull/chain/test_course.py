"""Each test is a conversation: what the course hears, and what it answers."""

import random

from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import PeerUnreachable, TransferStalled, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.shape import NO_SOURCE, trunk
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.asking import ANSWER_WITHIN, GRACE, TIMES_SLOWEST
from p2player.pull.chain.course import (
    AHEAD,
    COMPARE,
    CROWD,
    LAG_BYTES,
    SETTLED,
    UNPLACED,
    WEIGH,
    Ask,
    Course,
    Fail,
    Follow,
    GoUpstream,
)
from p2player.pull.chain.order import Order
from p2player.pull.chain.patience import (
    GIVE_UP,
    HOP,
    HOPS,
    ON_THE_WAY,
    STALLED,
    SUSPECT,
    TAKE_OVER,
    TAKE_OVER_FROM_HEAD,
    WITHOUT_REGISTRY,
)

DIGEST = Digest.of(b"blob")
SIZE = 100_000_000


def neighbour(number):
    return Neighbour(NodeId(bytes([number]) * 20), f"10.0.0.{number}", 7400)


# Nodes in the order in which they would go to the registry if they began at the same moment.
FIRST, SECOND, THIRD, FOURTH = sorted(map(neighbour, range(1, 5)), key=lambda it: Order(DIGEST, it.node).rank(it.node))


def course(me, *, has_origin=True):
    return Course(DIGEST, me.node, has_origin=has_origin, now=0.0)


def at(offset, *, depth=NO_SOURCE, followers=0, head=None, before=()):
    return Standing(SIZE, offset, Place(depth, head.node if head else None, tuple(before)), followers)


def begun(me, standings, *, has_origin=True, now=0.0):
    """Return a course that has sighted and heard these nodes, and what it answers to that."""
    course_ = course(me, has_origin=has_origin)
    (asked,) = course_.sighted(standings, now)
    assert set(asked.neighbours) == set(standings)
    answers = [course_.answered(each.node, standing, now) for each, standing in standings.items()]
    assert not any(answers[:-1])
    return course_, answers[-1]


def test_who_is_alone_goes_to_the_registry():
    assert course(FIRST).sighted([], 0.0) == [GoUpstream()]


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


def test_who_is_sent_on_goes_to_the_end_of_the_chain():
    course_, _ = begun(FOURTH, {FIRST: at(1000, depth=0)})
    assert course_.sent_on([SECOND], 1, 0.0) == [Follow(SECOND)]
    assert course_.sent_on([THIRD], 2, 0.0) == [Follow(THIRD)]
    assert course_.depth == 3


def test_who_is_sent_on_to_the_node_that_has_just_fallen_silent_insists_on_a_place_beside_it():
    course_, _ = begun(FOURTH, {FIRST: at(1000, depth=0, followers=1), THIRD: at(0, depth=1)})
    assert course_.sent_on([THIRD], 1, 0.0) == [Follow(THIRD)]
    course_.moved(500, 1.0)
    (asked,) = course_.tick(1.0 + STALLED)
    assert set(asked.neighbours) == {FIRST, THIRD}
    now = 1.0 + STALLED + ANSWER_WITHIN
    assert course_.answered(FIRST.node, at(2000, depth=0, followers=1), now) == []
    assert course_.tick(now) == [Follow(FIRST)]
    assert course_.sent_on([THIRD], 1, now) == [Follow(FIRST, insist=True)]


def test_when_the_end_of_the_chain_cannot_be_found_it_insists():
    course_, _ = begun(FOURTH, {FIRST: at(1000, depth=0)})
    assert course_.sent_on([], 1, 0.0) == [Follow(FIRST, insist=True)]
    assert course_.sent_on([], 1, 0.0) == [GoUpstream()], "and does not ask the same one for ever"


def test_who_gives_no_answer_is_not_waited_for():
    course_ = course(SECOND)
    course_.sighted([FIRST, THIRD], 0.0)
    assert course_.answered(THIRD.node, at(0), 0.1) == []
    assert course_.tick(ANSWER_WITHIN / 2) == []
    assert course_.tick(ANSWER_WITHIN) == [GoUpstream()]


def test_a_broken_source_is_replaced_by_one_further_ahead():
    course_, _ = begun(FOURTH, {FIRST: at(3000, depth=0), SECOND: at(2000, depth=1)})
    course_.moved(1500, 1.0)
    assert course_.source == FIRST
    assert course_.ended(PeerUnreachable("gone"), 1.0) == [Ask((SECOND,))]
    assert course_.answered(SECOND.node, at(2100, depth=1), 1.0) == [Follow(SECOND)]


def test_who_loses_a_source_goes_on_with_the_node_that_it_took_it_from():
    course_, _ = begun(FOURTH, {SECOND: at(3000, depth=1)})
    course_.let_in(at(3000, depth=1, before=[FIRST]), 0.5)
    course_.moved(1500, 1.0)
    assert FIRST.node not in course_.known, "while all is well nobody is asked because of it"
    assert course_.ended(PeerUnreachable("gone"), 1.0) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(3100, depth=0), 1.0) == [Follow(FIRST)]


def following(me, source, before=(), others=()):
    """Return a course that has had 1500 bytes, until second 1, from a source that takes it over these, nearest first."""
    course_, _ = begun(me, {source: at(3000, depth=len(before))} | {each: at(0, depth=9) for each in others})
    assert course_.followed == source
    course_.let_in(at(3000, depth=len(before), before=before), 0.5)
    course_.moved(1500, 1.0)
    return course_


def test_a_source_that_has_stopped_is_asked_soon_together_with_those_it_takes_it_over():
    course_ = following(FOURTH, THIRD, [SECOND, FIRST])
    assert course_.tick(1.0 + SUSPECT / 2) == []
    (asked,) = course_.tick(1.0 + SUSPECT)
    assert set(asked.neighbours) == {FIRST, SECOND, THIRD}


def test_a_source_that_says_nothing_while_others_do_is_left_for_the_nearest_of_them():
    course_ = following(FOURTH, THIRD, [SECOND, FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    assert course_.answered(FIRST.node, at(9000, depth=0, followers=1), now + 0.01) == []
    assert course_.answered(SECOND.node, at(2000, depth=1, followers=1), now + 0.02) == []
    assert course_.tick(now + GRACE / 2) == []
    assert course_.tick(now + GRACE) == [Follow(SECOND)], "the place of the silent one is free before any further one"


def test_the_nearest_before_a_silent_source_is_followed_although_it_waits_for_bytes_itself():
    course_ = following(FOURTH, THIRD, [SECOND, FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(FIRST.node, at(9000, depth=0, followers=1), now)
    course_.answered(SECOND.node, at(1500, depth=1, followers=1), now)
    assert course_.tick(now + GRACE) == [Follow(SECOND)]


def test_a_source_that_stops_while_others_are_being_asked_is_asked_anew_with_those_it_takes_it_over():
    course_ = following(FOURTH, THIRD, [SECOND], others=[FIRST])
    (asked,) = course_.sighted([], 1.0 + SUSPECT / 2)
    assert SECOND not in asked.neighbours
    (asked,) = course_.tick(1.0 + SUSPECT)
    assert SECOND in asked.neighbours
    assert course_.tick(1.0 + SUSPECT + 0.25) == [], "and that once"


def test_when_two_neighbours_fall_silent_at_once_one_wait_is_enough():
    course_ = following(FOURTH, THIRD, [SECOND, FIRST], others=[neighbour(5)])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(neighbour(5).node, at(0, depth=9), now + 0.01)
    course_.answered(FIRST.node, at(2000, depth=0, followers=1), now + 0.01)
    assert course_.tick(now + GRACE) == [Follow(FIRST)]
    assert course_.sent_on([SECOND], 1, now + GRACE) == [Follow(FIRST, insist=True)]


def test_where_all_are_slow_to_answer_a_source_is_given_longer():
    course_ = following(FOURTH, THIRD, [SECOND])
    now = 1.0 + SUSPECT
    course_.tick(now)
    assert course_.answered(SECOND.node, at(2000, depth=0, followers=1), now + 0.6) == []
    assert course_.tick(now + 0.6 * TIMES_SLOWEST - 0.1) == []
    assert course_.answered(THIRD.node, at(1500, depth=1, followers=1), now + 1.75) == []
    assert course_.source == THIRD


def test_a_source_that_answers_is_not_left_however_long_it_waits_itself():
    course_ = following(FOURTH, THIRD, [SECOND])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(SECOND.node, at(2000, depth=0, followers=1), now)
    assert course_.answered(THIRD.node, at(1500, depth=1, followers=1), now) == []
    assert course_.tick(now + SUSPECT) == [], "and is not asked again before it has stalled"
    assert course_.source == THIRD


def test_a_source_that_has_sent_nothing_yet_is_asked_only_when_it_has_stalled():
    course_, _ = begun(FOURTH, {THIRD: at(0, depth=9)})
    course_.let_in(at(0, depth=9, before=[SECOND]), 0.1)
    assert course_.tick(STALLED - 0.1) == []
    (asked,) = course_.tick(STALLED)
    assert set(asked.neighbours) == {SECOND, THIRD}


def test_who_is_connected_to_a_node_that_does_not_let_it_in_finds_out_soon_that_it_is_silent():
    course_ = following(FOURTH, THIRD)
    assert course_.sent_on([SECOND], 1, 1.0) == [Follow(SECOND)]
    (asked,) = course_.tick(1.0 + SUSPECT)
    assert SECOND in asked.neighbours


def test_a_source_that_is_followed_although_it_had_failed_before_is_there_if_it_answers():
    course_ = following(FOURTH, THIRD, [SECOND])
    course_.ended(PeerUnreachable("broke off"), 1.0)
    course_.answered(SECOND.node, at(2000, depth=0, followers=1), 1.0)
    assert course_.sent_on([THIRD], 1, 1.0) == [Follow(THIRD)]
    course_.let_in(at(3000, depth=1, before=[SECOND]), 1.1)
    course_.moved(2000, 1.2)
    now = 1.2 + SUSPECT
    course_.tick(now)
    course_.answered(SECOND.node, at(2500, depth=0, followers=1), now)
    assert course_.answered(THIRD.node, at(2000, depth=1), now) == []
    assert course_.source == THIRD


def test_before_the_first_byte_it_takes_longer_to_be_let_in_and_nobody_is_suspected_for_it():
    course_, _ = begun(FOURTH, {THIRD: at(0, depth=1)})
    assert course_.tick(STALLED - 0.1) == []
    (asked,) = course_.tick(STALLED)
    assert THIRD in asked.neighbours


def test_what_a_node_was_asked_before_the_source_changed_says_nothing_of_the_new_one():
    course_ = following(FOURTH, THIRD, [SECOND])
    course_.tick(1.0 + SUSPECT)
    assert course_.sent_on([FIRST], 1, 1.0 + SUSPECT) == [Follow(FIRST)]
    for node in (SECOND, THIRD):
        assert course_.answered(node.node, at(2000, depth=1), 1.0 + 2 * SUSPECT) == []
    assert course_.source == FIRST


def woken(followers):
    """Return a course that has stood still until second 5, and what it does once its source says how many follow there."""
    course_ = following(FOURTH, THIRD)
    course_.tick(1.25)
    course_.moved(2000, 5.0)
    assert course_.tick(5.0) == []
    course_.moved(3000, 5.0 + SETTLED)
    assert course_.tick(5.0 + SETTLED / 2) == []
    assert course_.tick(5.0 + SETTLED) == [Ask((THIRD,))]
    commands = course_.answered(THIRD.node, at(4000, depth=0, followers=followers), 5.0 + SETTLED)
    assert course_.tick(5.1 + SETTLED) == [], "it asks once"
    return course_, commands


def test_who_has_stood_still_goes_behind_those_who_have_taken_a_place_beside_it_meanwhile():
    course_, commands = woken(followers=2)
    assert commands == [Follow(THIRD)]
    assert course_.sent_on([SECOND], 1, 3.5) == [Follow(SECOND)]


def test_who_has_stood_still_keeps_its_place_if_nobody_sits_beside_it():
    assert woken(followers=1)[1] == []


def test_who_has_given_way_and_finds_no_other_place_takes_its_own_again_and_leaves_the_registry_alone():
    course_, _ = woken(followers=2)
    assert course_.sent_on([], 1, 3.5) == [Follow(THIRD, insist=True)]


def test_whom_time_has_passed_for_as_for_others_asks_nobody_for_its_place():
    course_ = following(FOURTH, THIRD)
    for quarter in range(1, 16):
        course_.moved(2000 + quarter, quarter / 4)
        assert course_.tick(quarter / 4) == []


def test_before_it_has_a_place_it_gives_others_their_time_to_answer():
    course_ = course(THIRD)
    course_.sighted([FIRST, SECOND], 0.0)
    course_.answered(SECOND.node, at(0), 0.0)
    assert course_.tick(ANSWER_WITHIN - 0.1) == []
    assert course_.tick(ANSWER_WITHIN) == [Follow(SECOND)]


def test_an_answer_that_comes_too_late_decides_nothing_and_yet_tells_that_the_node_is_there():
    course_ = following(FOURTH, THIRD, [SECOND, FIRST], others=[neighbour(5)])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(neighbour(5).node, at(0, depth=9), now)
    course_.answered(FIRST.node, at(2000, depth=0, followers=1), now)
    assert course_.tick(now + GRACE) == [Follow(FIRST)]
    assert course_.answered(SECOND.node, at(2000, depth=1), now + GRACE) == []
    assert course_.sent_on([SECOND], 1, now + GRACE) == [Follow(SECOND)]


def test_who_is_sent_on_to_several_passes_by_those_that_are_silent():
    course_ = following(FOURTH, THIRD, [FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(FIRST.node, at(2000, depth=0, followers=2), now)
    assert course_.tick(now + GRACE) == [Follow(FIRST)]
    assert course_.sent_on([THIRD, SECOND], 1, now + GRACE) == [Follow(SECOND)]


def test_the_place_of_a_silent_node_is_taken_although_another_follows_beside_it_where_two_may():
    for depth, command in ((trunk(SIZE), Follow(FIRST, insist=True)), (trunk(SIZE) - 1, Follow(SECOND))):
        course_ = following(FOURTH, THIRD, [FIRST])
        now = 1.0 + SUSPECT
        course_.tick(now)
        course_.answered(FIRST.node, at(2000, depth=depth, followers=2), now)
        assert course_.tick(now + GRACE) == [Follow(FIRST)]
        assert course_.sent_on([THIRD, SECOND], depth + 1, now + GRACE) == [command]


def test_who_says_that_it_has_nothing_is_not_silent():
    course_ = following(FOURTH, THIRD, [FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(THIRD.node, None, now)
    assert course_.answered(FIRST.node, at(2000, depth=0, followers=1), now) == [Follow(FIRST)]
    assert course_.sent_on([THIRD], 1, now) == [Follow(THIRD)]


def test_whose_request_for_an_answer_has_ended_without_one_is_silent():
    course_ = following(FOURTH, THIRD, [FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    assert course_.answered(FIRST.node, at(2000, depth=0, followers=1), now + ANSWER_WITHIN) == []
    assert course_.answered(THIRD.node, None, now + ANSWER_WITHIN) == [Follow(FIRST)]
    assert course_.sent_on([THIRD], 1, now + ANSWER_WITHIN) == [Follow(FIRST, insist=True)]


def test_a_source_that_says_it_takes_it_from_here_names_nobody_else():
    course_, _ = begun(FOURTH, {SECOND: at(3000, depth=1)})
    course_.let_in(at(3000, depth=1, before=[FOURTH]), 0.5)
    assert course_.ended(PeerUnreachable("gone"), 1.0) == [GoUpstream()]


def test_whom_a_source_took_it_from_is_not_followed_if_it_has_lied():
    course_, _ = begun(FOURTH, {SECOND: at(3000, depth=1)})
    course_.let_in(at(3000, depth=1, before=[FIRST]), 0.5)
    course_.distrust(FIRST.node)
    assert course_.ended(PeerUnreachable("gone"), 1.0) == [GoUpstream()]


def test_those_that_a_liar_says_it_takes_it_over_are_not_preferred():
    course_ = following(FOURTH, THIRD, [SECOND], others=[FIRST])
    course_.distrust(THIRD.node)
    (asked,) = course_.ended(PeerUnreachable("forged"), 1.0)
    assert asked.neighbours == (FIRST,)


def test_who_insists_in_vain_where_only_silent_nodes_follow_does_not_ask_again_at_once():
    course_ = following(FOURTH, THIRD, [FIRST])
    now = 1.0 + SUSPECT
    course_.tick(now)
    course_.answered(FIRST.node, at(2000, depth=0, followers=4), now)
    assert course_.tick(now + GRACE) == [Follow(FIRST)]
    assert course_.sent_on([THIRD], 1, now + GRACE) == [Follow(FIRST, insist=True)]
    assert course_.sent_on([THIRD], 1, now + GRACE) == [GoUpstream()]


def test_who_has_most_when_the_head_is_gone_becomes_the_head():
    course_, _ = begun(SECOND, {FIRST: at(0, depth=0)})
    course_.moved(5000, 1.0)
    course_.sighted([THIRD, FOURTH], 1.0)
    course_.answered(FIRST.node, at(5000, depth=0, followers=1), 1.0)
    course_.answered(THIRD.node, at(5000, depth=2, followers=1), 1.0)
    course_.answered(FOURTH.node, at(5000, depth=3), 1.0)
    (asked,) = course_.ended(PeerUnreachable("gone"), 2.0)
    assert set(asked.neighbours) == {THIRD, FOURTH}
    course_.answered(THIRD.node, at(5000, depth=2, followers=1), 2.0)
    assert course_.answered(FOURTH.node, at(5000, depth=3), 2.0) == [GoUpstream()], "those behind it have nothing more"


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


def test_who_is_sent_to_the_end_of_a_long_chain_waits_as_long_as_the_bytes_may_take():
    course_, _ = begun(FOURTH, {FIRST: at(SIZE, depth=0, followers=1)})
    assert course_.sent_on([THIRD], 30, 0.0) == [Follow(THIRD)]
    assert course_.depth == 31


def test_who_falls_far_behind_takes_it_from_another_and_does_not_try_that_often():
    course_, _ = begun(FOURTH, {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1)})
    assert course_.source == SECOND
    now, followed = 0.0, []
    for _ in range(12):
        now += 5.0
        course_.moved(course_.offset + 1000, now)
        commands = course_.sighted([], now)
        while commands:
            if isinstance(commands[0], Follow):
                followed += commands
                break
            course_.answered(SECOND.node, at(course_.offset, depth=1), now)
            commands = course_.answered(FIRST.node, at(LAG_BYTES * int(now), depth=0, followers=1), now)
    assert followed[0] == Follow(FIRST, insist=True)
    assert len(followed) <= 3


def test_who_follows_another_asks_by_itself_whether_others_are_far_ahead():
    course_, _ = begun(FOURTH, {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1)})
    course_.moved(1000, WEIGH)
    (asked,) = course_.tick(WEIGH)
    assert set(asked.neighbours) == {FIRST, SECOND}
    course_.answered(SECOND.node, at(1000, depth=1), WEIGH)
    (asked,) = course_.answered(FIRST.node, at(LAG_BYTES * 2, depth=0, followers=1), WEIGH)
    assert course_.answered(SECOND.node, at(1000, depth=1), WEIGH) == []
    assert course_.answered(FIRST.node, at(LAG_BYTES * 2, depth=0, followers=1), WEIGH) == [Follow(FIRST, insist=True)]


def test_who_takes_it_from_the_registry_asks_nobody_by_itself_while_it_comes():
    course_, _ = begun(FIRST, {SECOND: at(0)})
    course_.moved(1000, WEIGH)
    assert course_.tick(WEIGH) == []


def test_of_those_far_ahead_one_without_a_follower_is_taken():
    known = {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1), THIRD: at(0, depth=2, followers=1)}
    course_, _ = begun(FOURTH, known)
    course_.sent_on([THIRD], 1, 0.0)
    assert course_.source == THIRD
    course_.moved(1000, 20.0)
    course_.sighted([], 20.0)
    further = LAG_BYTES * 2
    answers = {
        THIRD: at(1000, depth=2),
        FIRST: at(3 * further, depth=0, followers=1),
        SECOND: at(further, depth=1),
    }
    commands = [course_.answered(each.node, standing, 20.0) for each, standing in answers.items()][-1]
    if commands and isinstance(commands[0], Ask):
        commands = [course_.answered(each.node, standing, 20.0) for each, standing in answers.items()][-1]
    assert commands == [Follow(SECOND, insist=True)]


def test_whose_source_shares_its_uplink_may_be_half_as_far_and_not_further_behind():
    for offset, stays in ((LAG_BYTES, True), (LAG_BYTES // 4, False)):
        course_, _ = begun(FOURTH, {FIRST: at(0, depth=trunk(SIZE), followers=1), SECOND: at(0, depth=trunk(SIZE))})
        course_.moved(offset, 30.0)
        further = at(LAG_BYTES * 5 // 2, depth=trunk(SIZE), followers=2)
        commands = course_.sighted([], 30.0)
        while commands and isinstance(commands[0], Ask):
            commands = [course_.answered(each.node, further, 30.0) for each in (FIRST, SECOND)][-1]
        assert commands == ([] if stays else [Follow(FIRST, insist=True)])


def test_one_that_keeps_up_is_not_left():
    course_, _ = begun(FOURTH, {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1)})
    course_.moved(1_000_000, 30.0)
    course_.sighted([], 30.0)
    course_.answered(SECOND.node, at(1_000_000, depth=1), 30.0)
    assert course_.answered(FIRST.node, at(2_000_000, depth=0, followers=1), 30.0) == []


def test_a_registry_that_fails_leaves_those_who_are_ahead_and_then_nobody():
    course_ = course(FIRST)
    course_.sighted([], 0.0)
    course_.moved(1000, 1.0)
    course_.sighted([SECOND], 1.0)
    course_.answered(SECOND.node, at(500, depth=1), 1.0)
    error = UpstreamUnreachable("down")
    course_.ended(error, 2.0)
    assert course_.answered(SECOND.node, at(2000, depth=0), 2.0) == [Follow(SECOND)]
    assert course_.ended(PeerUnreachable("gone"), 3.0) == [Fail(error)], "it is not asked a second time"


def until_it_is_done_or_fails(course_, others, since):
    """Let time pass, while the others answer what they are said to, until there is something else to do; return when, and what."""
    now = since
    while now < since + GIVE_UP:
        now += 0.25
        for command in course_.tick(now):
            for asked in command.neighbours:
                for answer in course_.answered(asked.node, others(asked, now), now):
                    if not isinstance(answer, Ask):
                        return now, answer
    raise AssertionError("it has waited too long")


def test_a_head_whose_registry_fails_waits_until_one_of_those_behind_it_has_taken_over():
    head, second = course(FIRST), begun(SECOND, {FIRST: at(0, depth=0)})[0]
    head.sighted([], 0.0)
    head.moved(1000, 1.0)
    second.moved(1000, 1.0)
    head.sighted([SECOND], 1.0)
    head.answered(SECOND.node, at(1000, depth=1), 1.0)
    head.ended(UpstreamUnreachable("down"), 4.0)
    assert head.answered(SECOND.node, at(1000, depth=1), 4.0) == []

    taken_over, command = until_it_is_done_or_fails(second, lambda _, __: at(1000, depth=head.depth), 4.0)
    assert command == GoUpstream()

    def behind(_, now):
        return at(1000, depth=1) if now <= taken_over else at(2000, depth=0)

    goes_on, command = until_it_is_done_or_fails(head, behind, 4.0)
    assert command == Follow(SECOND)
    assert goes_on <= taken_over + STALLED + 0.25


def test_a_head_whose_registry_fails_does_not_wait_for_ever_for_those_behind_it():
    head = course(FIRST)
    head.sighted([], 0.0)
    head.moved(1500, 1.0)
    head.sighted([SECOND], 1.0)
    head.answered(SECOND.node, at(1000, depth=1), 1.0)
    error = UpstreamUnreachable("down")
    head.ended(error, 4.0)
    head.answered(SECOND.node, at(1000, depth=1), 4.0)

    failed, command = until_it_is_done_or_fails(head, lambda _, __: at(1000, depth=1), 4.0)

    assert command == Fail(error)
    assert failed <= 1.0 + WITHOUT_REGISTRY + STALLED + 0.25


def test_with_nobody_and_no_registry_it_fails_and_says_why():
    (failed,) = course(FIRST, has_origin=False).sighted([], 0.0)
    assert isinstance(failed, Fail)
    assert isinstance(failed.error, TransferStalled)
    course_ = course(FIRST)
    course_.sighted([], 0.0)
    error = UpstreamUnreachable("down")
    assert course_.ended(error, 1.0) == [Fail(error)]


def test_a_third_node_is_asked_what_it_has_now_and_then_and_nothing_else_comes_of_it():
    course_, _ = begun(FOURTH, {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1)})
    course_.moved(1000, COMPARE - 0.1)
    assert course_.tick(COMPARE) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(0, depth=0), COMPARE + STALLED) == []
    assert course_.source == SECOND


@given(st.integers(2, 12), st.randoms(use_true_random=False))
def test_however_many_begin_at_once_exactly_one_goes_and_the_others_form_a_chain(count, rng: random.Random):
    nodes = [neighbour(number) for number in range(1, count + 1)]
    rng.shuffle(nodes)
    followed = {}
    for node in nodes:
        others = {other: at(0) for other in nodes if other != node}
        (command,) = begun(node, others)[1]
        followed[node] = command.neighbour if isinstance(command, Follow) else None
    assert list(followed.values()).count(None) == 1
    assert len({it for it in followed.values() if it}) == count - 1, "each has one follower at most"
