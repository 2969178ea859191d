"""Each test is a conversation: what the course hears, and what it answers."""

import random

from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import PeerUnreachable, TransferStalled, UpstreamUnreachable
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.commands import Ask, Fail, Follow, GoUpstream
from p2player.pull.chain.course import WEIGH
from p2player.pull.chain.patience import (
    GIVE_UP,
    STALLED,
    WITHOUT_REGISTRY,
)
from tests.pull.chain.conversing import (
    FIRST,
    FOURTH,
    SECOND,
    SIZE,
    THIRD,
    at,
    begun,
    course,
    neighbour,
)


def test_who_is_alone_goes_to_the_registry():
    assert course(FIRST).sighted([], 0.0) == [GoUpstream()]


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


def test_who_is_sent_to_the_end_of_a_long_chain_waits_as_long_as_the_bytes_may_take():
    course_, _ = begun(FOURTH, {FIRST: at(SIZE, depth=0, followers=1)})
    assert course_.sent_on([THIRD], 30, 0.0) == [Follow(THIRD)]
    assert course_.depth == 31


def test_who_takes_it_from_the_registry_asks_nobody_by_itself_while_it_comes():
    course_, _ = begun(FIRST, {SECOND: at(0)})
    course_.moved(1000, WEIGH)
    assert course_.tick(WEIGH) == []


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
