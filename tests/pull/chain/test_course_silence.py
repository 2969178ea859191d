"""A source that is gone, or says nothing: who finds out, when, and whom it follows instead."""

from p2player.errors import PeerUnreachable
from p2player.peer.shape import trunk
from p2player.pull.chain.asking import ANSWER_WITHIN, GRACE, TIMES_SLOWEST
from p2player.pull.chain.commands import Ask, Follow, GoUpstream
from p2player.pull.chain.course import SETTLED
from p2player.pull.chain.patience import (
    STALLED,
    SUSPECT,
)
from tests.pull.chain.conversing import FIRST, FOURTH, SECOND, SIZE, THIRD, at, begun, course, following, neighbour


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
