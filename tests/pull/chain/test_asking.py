from p2player.peer.identity import NodeId
from p2player.pull.chain.asking import ANSWER_WITHIN, GRACE, TIMES_SLOWEST, Asking

FIRST, SECOND, THIRD = (NodeId(bytes([number]) * 20) for number in range(3))


def asking(*, is_urgent=True):
    return Asking([FIRST, SECOND, THIRD], 10.0, is_urgent=is_urgent)


def test_until_somebody_answers_all_have_the_whole_time():
    asked = asking()
    assert not asked.is_over(10.0 + ANSWER_WITHIN - 0.01)
    assert asked.is_over(10.0 + ANSWER_WITHIN)


def test_once_half_of_them_have_answered_a_silent_one_has_a_moment_more():
    asked = asking()
    asked.answered(FIRST, 10.1)
    assert not asked.is_over(10.0 + GRACE), "one of three may be as slow as the other two are"
    asked.answered(SECOND, 10.1)
    assert asked.pending == {THIRD}
    assert asked.is_over(10.0 + GRACE)


def test_the_slower_the_others_are_the_longer_it_has_and_never_longer_than_the_whole_time():
    for slowest, patience in ((0.5, TIMES_SLOWEST * 0.5), (1.5, ANSWER_WITHIN)):
        asked = asking()
        asked.answered(FIRST, 10.1)
        asked.answered(SECOND, 10.0 + slowest)
        assert not asked.is_over(10.0 + patience - 0.01)
        assert asked.is_over(10.0 + patience)


def test_who_has_nothing_says_so_without_a_look_and_is_no_measure_for_others():
    asked = asking()
    asked.refused(FIRST)
    assert asked.pending == {SECOND, THIRD}
    assert not asked.is_over(10.0 + ANSWER_WITHIN - 0.01)


def test_where_nothing_is_urgent_all_have_the_whole_time():
    asked = asking(is_urgent=False)
    for node in (FIRST, SECOND):
        asked.answered(node, 10.0)
    assert not asked.is_over(10.0 + ANSWER_WITHIN - 0.01)
    assert asked.is_over(10.0 + ANSWER_WITHIN)
