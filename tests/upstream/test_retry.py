from hypothesis import given
from hypothesis import strategies as st

from p2player.upstream.retry import PATIENCE, REST, TRIES, Breaker, pause

parts = st.floats(0, 0.999)


@given(parts)
def test_pauses_grow_and_there_are_few(jitter):
    pauses = [pause(tried, 0, jitter) for tried in range(1, TRIES + 2)]
    assert 0 < pauses[0] < pauses[1] < 1
    assert pauses[TRIES - 1 :] == [None, None]


@given(st.lists(st.tuples(parts, st.floats(0, 20), st.none() | st.floats(0, 100)), min_size=TRIES, max_size=TRIES))
def test_the_last_try_begins_in_time_whatever_happens(rounds):
    elapsed = 0.0
    for tried, (jitter, took, retry_after) in enumerate(rounds, 1):
        elapsed += took
        wait = pause(tried, elapsed, jitter, retry_after)
        if wait is None:
            return
        assert wait >= (retry_after or 0)
        elapsed += wait
        assert elapsed <= PATIENCE


def test_a_registry_that_wants_long_to_be_left_alone_is_not_asked_again():
    assert pause(1, 0, 0.5, 1.0) == 1.0
    assert pause(1, 0, 0.5, 60.0) is None


def test_an_address_that_failed_rests_and_is_asked_again():
    breaker = Breaker()
    assert breaker.allows("a", 100)
    breaker.failed("a", 100)
    assert not breaker.allows("a", 100 + REST - 0.1)
    assert breaker.allows("b", 100)
    assert breaker.allows("a", 100 + REST)


def test_an_address_that_answers_rests_no_longer():
    breaker = Breaker()
    breaker.failed("a", 100)
    breaker.answered("a")
    assert breaker.allows("a", 100)
