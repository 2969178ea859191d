from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.timing import RoundTrip


@given(st.lists(st.floats(0.0, 10.0), max_size=50))
def test_patience_and_limit_stay_within_bounds(samples):
    estimate = RoundTrip()
    for seconds in samples:
        estimate.took(seconds)
    assert 0.05 <= estimate.patience <= 1.0
    assert estimate.patience < estimate.limit <= 2.0


def test_patience_settles_near_steady_round_trips():
    estimate = RoundTrip()
    for _ in range(50):
        estimate.took(0.2)
    assert 0.2 <= estimate.patience < 0.21


def test_varying_round_trips_need_more_patience_than_steady_ones():
    steady, varying = RoundTrip(), RoundTrip()
    for number in range(50):
        steady.took(0.15)
        varying.took(0.1 + 0.1 * (number % 2))
    assert varying.patience > steady.patience
