from random import Random

import pytest

from p2player.dht.schedule import Schedule


@pytest.fixture
def schedule():
    return Schedule(Random(1))


def test_keys_come_when_they_are_due_in_order_and_once(schedule):
    schedule.set("b", 2.0)
    schedule.set("a", 1.0)
    schedule.set("c", 3.0)
    assert schedule.next_due() == pytest.approx(1.0)
    assert schedule.pop(2.5, limit=9) == ["a", "b"]
    assert schedule.pop(2.5, limit=9) == []
    assert len(schedule) == 1


def test_no_more_come_at_once_than_asked_for(schedule):
    for number in range(5):
        schedule.set(number, 1.0)
    assert [len(schedule.pop(1.0, limit=2)) for _ in range(3)] == [2, 2, 1]


def test_setting_again_moves_a_key(schedule):
    schedule.set("a", 1.0)
    schedule.set("a", 5.0)
    assert schedule.pop(4.0, limit=9) == []
    schedule.set("a", 2.0)
    assert schedule.pop(4.0, limit=9) == ["a"]
    assert schedule.next_due() is None


def test_discarded_key_does_not_come(schedule):
    schedule.set("a", 1.0)
    schedule.discard("a")
    schedule.discard("never there")
    assert schedule.next_due() is None
    assert schedule.pop(9.0, limit=9) == []


def test_hurry_spreads_everything_at_the_given_rate_and_delays_nothing(schedule):
    schedule.set("now", 0.0)
    for number in range(1000):
        schedule.set(number, 1e6)
    schedule.hurry(now=0.0, rate=100.0)
    assert schedule.pop(0.0, limit=9)[0] == "now"
    per_second = [len(schedule.pop(float(second), limit=1000)) for second in range(1, 12)]
    assert sum(per_second) == 1000
    assert max(per_second) < 200
