import pytest

from p2player.dht.limits import Rate, SenderLimits, TokenBucket

RATE = Rate(per_second=10.0, burst=50.0)


def test_burst_passes_and_then_so_many_a_second():
    bucket = TokenBucket(RATE, 0.0)
    assert sum(bucket.take(0.0) for _ in range(100)) == 50
    assert sum(bucket.take(second / 64) for second in range(1, 129)) == pytest.approx(20, abs=1)


def test_pause_fills_the_bucket_up_to_its_burst_and_no_further():
    bucket = TokenBucket(RATE, 0.0)
    while bucket.take(0.0):
        pass
    assert sum(bucket.take(3600.0) for _ in range(100)) == 50


def test_wait_ends_when_there_is_a_token():
    bucket = TokenBucket(RATE, 0.0)
    assert bucket.wait(0.0) == 0.0
    while bucket.take(0.0):
        pass
    assert bucket.wait(0.0) == pytest.approx(0.1)
    assert not bucket.take(0.09)
    assert bucket.take(0.101)


def test_reservations_are_spread_at_the_rate_once_the_burst_is_used_up():
    bucket = TokenBucket(RATE, 0.0)
    waits = [bucket.reserve(0.0) for _ in range(70)]
    assert waits[:50] == [0.0] * 50
    assert waits[69] == pytest.approx(2.0)


def test_each_sender_has_its_own_allowance():
    limits = SenderLimits(RATE)
    assert sum(limits.take(b"a", "10.0.0.1", 0.0) for _ in range(100)) == 50
    assert limits.take(b"a", "10.0.0.2", 0.0)
    assert limits.take(b"b", "10.0.0.1", 0.0)
    assert not limits.take(b"a", "10.0.0.1", 0.0)


def test_senders_remembered_are_bounded_and_the_busy_ones_are_not_forgotten():
    limits = SenderLimits(RATE, kept=100)
    for number in range(10_000):
        limits.take(b"busy", "10.0.0.1", 0.0)
        limits.take(b"%d" % number, "10.0.0.2", 0.0)
    assert len(limits) == 100
    assert not limits.take(b"busy", "10.0.0.1", 0.0)
