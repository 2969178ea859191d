"""A source that falls behind others: who leaves it, and for whom."""

from p2player.peer.shape import trunk
from p2player.pull.chain.commands import Ask, Follow
from p2player.pull.chain.course import COMPARE, WEIGH
from p2player.pull.chain.lag import LAG_BYTES
from p2player.pull.chain.patience import STALLED
from tests.pull.chain.conversing import FIRST, FOURTH, SECOND, SIZE, THIRD, at, begun


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


def test_a_third_node_is_asked_what_it_has_now_and_then_and_nothing_else_comes_of_it():
    course_, _ = begun(FOURTH, {FIRST: at(0, depth=0, followers=1), SECOND: at(0, depth=1)})
    course_.moved(1000, COMPARE - 0.1)
    assert course_.tick(COMPARE) == [Ask((FIRST,))]
    assert course_.answered(FIRST.node, at(0, depth=0), COMPARE + STALLED) == []
    assert course_.source == SECOND
