import pytest

from p2player.peer.identity import NodeId
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.commands import Ask
from p2player.pull.chain.flow import Flow
from p2player.pull.chain.order import Order
from p2player.pull.chain.others import Others
from p2player.pull.chain.patience import STALLED, SUSPECT
from p2player.pull.chain.questions import ASK_AT_ONCE, ASK_WHEN_SUSPECT, ASK_WHILE_WELL, Questions
from tests.pull.chain.conversing import DIGEST, at, neighbour

ME = NodeId(bytes(20))
MANY = [neighbour(number) for number in range(10, 40)]
SOURCE = MANY[-1]


@pytest.fixture
def flow():
    return Flow(0.0)


@pytest.fixture
def others():
    others = Others(ME)
    others.sighted(MANY)
    return others


@pytest.fixture
def questions(others, flow):
    return Questions(Order(DIGEST, ME), others, flow, 0.0)


@pytest.mark.parametrize(
    ("quiet", "count"),
    [(0.0, ASK_WHILE_WELL), (SUSPECT, ASK_WHEN_SUSPECT), (STALLED, ASK_AT_ONCE)],
)
def test_the_longer_no_byte_comes_the_more_are_asked_and_always_the_source(questions, flow, quiet, count):
    flow.moved(1000, 1.0)
    asked = questions.begin(SOURCE, (), 1.0 + quiet)
    assert SOURCE in asked.neighbours
    assert count <= len(asked.neighbours) <= count + 1


def test_those_over_whom_a_silent_source_had_it_are_asked_first(questions, flow):
    flow.moved(1000, 1.0)
    ancestors = MANY[20:23]
    assert questions.begin(SOURCE, ancestors, 1.0 + SUSPECT).neighbours[:3] == tuple(ancestors)


def test_with_nobody_to_ask_no_round_begins(flow):
    questions = Questions(Order(DIGEST, ME), Others(ME), flow, 0.0)
    assert questions.begin(None, (), 0.0) is None
    assert not questions.is_open


def test_a_round_ends_with_the_last_answer(questions):
    asked = questions.begin("upstream", (), 1.0).neighbours
    ended = [questions.answered(each.node, at(0), 1.5) for each in asked]
    assert ended == [False] * (len(asked) - 1) + [True]


def test_who_has_not_answered_in_time_is_silent(questions, others):
    first, *rest = questions.begin("upstream", (), 1.0).neighbours
    questions.answered(first.node, at(0), 1.5)
    assert not questions.is_over(1.0 + ANSWER_WITHIN - 0.1)
    assert questions.is_over(1.0 + ANSWER_WITHIN)
    now = 1.0 + ANSWER_WITHIN
    assert [others.is_silent(each.node, now) for each in (first, *rest)] == [False, *[True] * len(rest)]


def test_who_refuses_is_left_alone_and_is_not_silent(questions, others):
    first = questions.begin("upstream", (), 1.0).neighbours[0]
    questions.answered(first.node, None, 1.1)
    assert first not in others.usable(1.2)
    assert not others.is_silent(first.node, 1.2)


def test_a_single_question_is_answered_once_and_ends_no_round(questions):
    assert questions.single(SOURCE, 1.0) == [Ask((SOURCE,))]
    assert questions.is_asked(SOURCE.node)
    assert questions.is_of_single(SOURCE.node)
    assert not questions.is_of_single(SOURCE.node)
    assert not questions.answered(SOURCE.node, at(0), 1.1)


def test_another_node_is_compared_with_each_time_and_none_of_those_behind_this_one(questions, others):
    for number, each in enumerate(MANY):
        others.heard(each.node, at(0, depth=1 if number < 5 else 9))
    compared = [command.neighbours[0] for _ in range(5) for command in questions.compare(SOURCE, 2, 1.0)]
    assert set(compared) == set(MANY[:5])
