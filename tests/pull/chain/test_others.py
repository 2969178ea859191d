import pytest

from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.chain.others import SHUN_SILENT, SILENT, Others

ME, FIRST, SECOND = (Neighbour(NodeId(bytes([number]) * 20), f"10.0.0.{number}", 7400) for number in range(3))
STANDING = Standing(100, 50)


@pytest.fixture
def others():
    others = Others(ME.node)
    others.sighted([ME, FIRST, SECOND])
    return others


def test_a_node_is_none_of_the_others_itself(others):
    assert list(others.known) == [FIRST.node, SECOND.node]
    assert others.told_of([ME]) == []


def test_where_a_node_is_to_be_found_it_says_best_itself(others):
    elsewhere = FIRST._replace(host="10.9.9.9")
    assert others.told_of([elsewhere]) == [FIRST]
    others.sighted([elsewhere])
    assert others.known[FIRST.node] == elsewhere


def test_only_those_who_have_said_how_far_they_are_can_be_ahead(others):
    others.heard(FIRST.node, STANDING)
    assert others.answering(0.0) == others.ahead(49, 0.0) == [FIRST]
    assert others.ahead(50, 0.0) == []


def test_who_gives_no_answer_is_left_alone_for_a_moment_and_not_relied_on_for_longer(others):
    others.heard(FIRST.node, STANDING)
    others.fell_silent(FIRST.node, 0.0)
    assert others.usable(SHUN_SILENT - 0.1) == [SECOND]
    assert FIRST in others.usable(SHUN_SILENT)
    assert FIRST not in others.answering(SHUN_SILENT)
    assert others.is_silent(FIRST.node, SILENT - 0.1)
    assert not others.is_silent(FIRST.node, SILENT)


def test_who_answers_after_all_is_not_silent(others):
    others.fell_silent(FIRST.node, 0.0)
    others.heard(FIRST.node, STANDING)
    assert not others.is_silent(FIRST.node, 0.1)
    assert others.answering(0.1) == [FIRST]


def test_who_is_shunned_is_left_alone_until_then_whatever_it_says(others):
    others.shun(FIRST.node, 5.0)
    others.heard(FIRST.node, STANDING)
    assert others.answering(4.9) == []
    assert others.answering(5.0) == [FIRST]


def test_who_is_distrusted_is_never_asked_nor_followed_on_the_word_of_others(others):
    others.distrust(FIRST.node)
    assert others.usable(1000.0) == others.told_of([FIRST, SECOND]) == [SECOND]


def test_who_has_sent_this_node_on_is_full_for_a_moment(others):
    others.sent_on(FIRST.node, 0.0)
    assert others.is_full(FIRST.node, SHUN_SILENT - 0.1)
    assert not others.is_full(FIRST.node, SHUN_SILENT)
    assert not others.is_full(SECOND.node, 0.0)
