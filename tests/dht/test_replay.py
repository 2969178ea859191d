from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.replay import ReplayWindow


def test_request_is_new_once():
    window = ReplayWindow(120.0)
    assert window.is_new(b"a", 0.0)
    assert window.is_new(b"b", 0.0)
    assert not window.is_new(b"a", 0.0)


@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=50), st.floats(0.0, 119.9))
def test_request_is_known_for_the_whole_window_whenever_it_came(times, later):
    window = ReplayWindow(120.0)
    for number, now in enumerate(sorted(times)):
        assert window.is_new(b"%d" % number, now)
    assert not window.is_new(b"%d" % (len(times) - 1), max(times) + later)


def test_requests_are_forgotten_in_time():
    window = ReplayWindow(120.0)
    for second in range(3600):
        window.is_new(b"%d" % second, float(second))
    assert len(window) <= 240
    assert window.is_new(b"0", 3600.0)


def test_memory_is_bounded_and_the_latest_are_known():
    window = ReplayWindow(120.0, kept=100)
    for number in range(10_000):
        window.is_new(b"%d" % number, 0.0)
    assert len(window) <= 200
    assert not any(window.is_new(b"%d" % number, 0.0) for number in range(9_900, 10_000))
