import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.clock import TOLERANCE_MS, ClusterClock

HOUR = 3_600_000
EPOCH = 1_800_000_000_000


class Machine:
    """A clock that the test sets, and what a ClusterClock makes of it. The true time is `true_ms`."""

    def __init__(self, ahead_ms=0):
        self.seconds = 0.0
        self.ahead_ms = ahead_ms
        self.jumps = []
        self.clock = ClusterClock(
            lambda: self.true_ms() + self.ahead_ms, steady=lambda: self.seconds, on_jump=self.jumps.append
        )

    def true_ms(self):
        return EPOCH + int(self.seconds * 1000)

    def hears(self, *ahead, first=1, refused=False):
        take = self.clock.refused if refused else self.clock.heard
        for number, ahead_ms in enumerate(ahead, first):
            take(b"%d" % number, f"10.0.0.{number}", self.true_ms() + ahead_ms, 0.0)

    @property
    def wrong_by(self):
        return self.clock.now_ms() - self.true_ms()


def test_own_clock_holds_until_others_are_heard():
    machine = Machine(HOUR)
    assert machine.wrong_by == HOUR
    assert machine.clock.offset_ms == 0
    assert not machine.clock.is_sure


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 30 * 24 * HOUR, 5000, -5000])
def test_wrong_clock_is_corrected_by_what_most_say(wrong):
    machine = Machine(wrong)
    machine.hears(10, -10, 0)
    assert abs(machine.wrong_by) <= 10
    assert abs(machine.clock.offset_ms + wrong) <= 10
    assert machine.clock.is_sure
    machine.seconds += 1000
    assert abs(machine.wrong_by) <= 10


@pytest.mark.parametrize("wrong", [1900, -1900, 0])
def test_small_differences_are_left_alone(wrong):
    machine = Machine(wrong)
    machine.hears(0, 0, 0)
    assert machine.clock.offset_ms == 0
    assert machine.jumps == []


@given(st.lists(st.integers(-(2**40), 2**40), max_size=20), st.integers(0, 20))
def test_minority_of_liars_moves_nothing(lies, more_honest):
    machine = Machine()
    honest = [0] * (len(lies) + more_honest)
    machine.hears(*honest)
    machine.hears(*lies, first=100)
    machine.hears(*lies, first=100, refused=True)
    assert machine.clock.offset_ms == 0


def test_of_two_nodes_both_take_the_earlier_clock():
    early, late = Machine(-HOUR), Machine()
    late.hears(-HOUR)
    early.hears(0)
    assert early.clock.now_ms() == late.clock.now_ms()
    assert early.clock.offset_ms == 0
    assert not early.clock.is_sure
    assert not late.clock.is_sure


def test_newcomer_that_a_cluster_refuses_believes_it_against_its_own_clock_until_somebody_agrees_with_that():
    machine = Machine(-HOUR)
    machine.hears(0)
    assert machine.wrong_by == -HOUR
    machine.hears(0, refused=True)
    assert machine.wrong_by == 0
    machine.hears(0, 0, first=2)
    assert machine.wrong_by == 0

    honest = Machine()
    honest.hears(HOUR, refused=True)
    assert honest.wrong_by == HOUR
    honest.hears(0, first=2)
    assert honest.wrong_by == 0


def test_half_the_round_trip_is_added():
    machine = Machine(HOUR)
    for number in range(3):
        machine.clock.heard(b"", f"10.0.0.{number}", machine.true_ms() - 500, 1.0)
    assert machine.wrong_by == 0


def test_all_nodes_of_a_host_have_one_vote_but_on_this_machine_each_has_its_own():
    crowded = Machine()
    crowded.hears(0, 0)
    for number in range(20):
        crowded.clock.heard(b"%d" % number, "10.0.0.9", EPOCH + HOUR, 0.0)
    assert crowded.clock.offset_ms == 0
    local = Machine(HOUR)
    for number in range(3):
        local.clock.heard(b"%d" % number, "127.0.0.1", EPOCH, 0.0)
    assert local.wrong_by == 0


def test_votes_are_bounded_and_forgotten_with_age():
    machine = Machine()
    machine.hears(*[0] * 500)
    assert len(machine.clock._votes) <= 64
    machine.seconds += 3 * 3600
    machine.hears(0)
    assert len(machine.clock._votes) == 1


def test_clock_set_right_is_used_as_it_is_from_the_next_answer_on():
    machine = Machine(HOUR)
    machine.hears(0, 0, 0)
    assert machine.clock.offset_ms == -HOUR
    machine.ahead_ms = 0
    machine.hears(0)
    assert machine.clock.offset_ms == 0
    assert machine.wrong_by == 0


def test_each_jump_is_told_and_logged_once(caplog):
    caplog.set_level(logging.INFO)
    machine = Machine(HOUR)
    for _ in range(5):
        machine.hears(0, 5, -5)
    assert len(machine.jumps) == 1
    assert abs(machine.jumps[0] + HOUR) <= 10
    assert [record.getMessage() for record in caplog.records] == [
        "this node's clock is 3600 s ahead of the cluster's; fix it (NTP)"
    ]


def test_requests_fit_within_the_tolerance_once_the_time_is_sure():
    machine = Machine()
    now = machine.true_ms()
    assert machine.clock.fits(now - HOUR)
    machine.hears(0, 0)
    assert not machine.clock.fits(now - HOUR)
    assert not machine.clock.fits(now + TOLERANCE_MS + 1)
    assert machine.clock.fits(now - TOLERANCE_MS)
