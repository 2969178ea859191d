import pytest

from p2player.pull.fetch.pace import GIVE_UP, RESCUE
from p2player.swarm.ledger import MAX_STARTS
from p2player.swarm.standstill import PATIENCE, STEP, Standstill

TICK = 0.5


@pytest.fixture
def standstill():
    return Standstill()


def first_still(standstill, until, *, verified=lambda _: 0, received=lambda _: 0):
    """Return the time of the first look, from 100 s on, at which it stands still, or None."""
    now = 100.0
    while now < 100 + until:
        if standstill.look(verified(now), received(now), now):
            return now - 100
        now += TICK
    return None


def test_what_never_moves_stands_still_after_a_while(standstill):
    assert first_still(standstill, 60) == pytest.approx(PATIENCE, abs=TICK)


def test_one_piece_every_now_and_then_is_enough(standstill):
    assert first_still(standstill, 60, verified=lambda now: int(now / (PATIENCE - TICK))) is None


def test_so_is_a_block_of_a_large_piece_that_comes_slowly(standstill):
    assert first_still(standstill, 60, received=lambda now: int(now / (PATIENCE - TICK)) * STEP) is None


def test_a_few_bytes_are_no_progress(standstill):
    assert first_still(standstill, 60, received=lambda now: int(now * STEP / 2 / PATIENCE)) == pytest.approx(
        PATIENCE, abs=TICK
    )


def test_it_stands_still_from_when_the_last_piece_came(standstill):
    assert first_still(standstill, 60, verified=lambda now: min(int(now), 110)) == pytest.approx(
        10 + PATIENCE, abs=TICK
    )


def test_what_has_begun_anew_is_given_its_time(standstill):
    assert first_still(standstill, 60) is not None
    standstill.begin_anew()
    assert not standstill.look(0, 0, 100.0)
    assert first_still(standstill, 60) == pytest.approx(PATIENCE, abs=TICK)


def test_the_registry_comes_before_and_nobody_gives_up_meanwhile():
    assert RESCUE < PATIENCE
    assert (MAX_STARTS + 1) * (PATIENCE + TICK) < GIVE_UP
