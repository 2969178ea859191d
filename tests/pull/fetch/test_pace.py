"""Each test is a conversation with a hunt about what it waits for, and for how long."""

from unittest.mock import ANY

import pytest

from p2player.errors import TransferStalled
from p2player.pull.fetch.hunt import Begin, Drop, GiveUp, Hunt, Look, Stream
from p2player.pull.fetch.pace import (
    FIRST_LOOKS_STREAMING,
    GIVE_UP,
    LOOK_AGAIN,
    LOOK_AGAIN_FOLLOWING,
    LOOK_AGAIN_STREAMING,
    NO_START,
    RESCUE,
    STALLED,
    STEP,
    Headway,
)
from tests.pull.fetch.hunting import DIGEST, LIE, TRUE, begun, claim

pytestmark = pytest.mark.usefixtures("by_swarm")  # a stream has no claim to begin with (chain/test_one_holder.py)


def test_the_first_looks_follow_soon_on_each_other_and_the_later_ones_do_not():
    hunt, now = begun(claim(TRUE, 1))
    hunt.received(now + LOOK_AGAIN - 0.1)
    assert hunt.tick(now + LOOK_AGAIN - 0.1) == []
    assert hunt.tick(now + LOOK_AGAIN) == [Look(ANY)]


def test_a_stall_brings_a_look_and_no_second_one_before_its_answer():
    hunt, now = begun(claim(TRUE, 1))
    assert hunt.tick(now + STALLED) == [Look(ANY)]
    assert hunt.tick(now + 3 * STALLED) == []
    hunt.found([claim(TRUE, 1)], now + 3 * STALLED)
    assert hunt.tick(now + 4 * STALLED) == [Look(ANY)]


def test_who_never_sends_a_byte_is_dropped_soon_for_the_next_claim():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    hunt.found([claim(LIE, 1, 2), claim(TRUE, 3)], 0.0)
    assert hunt.tick(NO_START - 0.01) == [Look(ANY)]
    assert hunt.tick(NO_START) == [Drop(), Begin(claim(TRUE, 3))]


def test_who_is_connected_is_waited_for_longer_where_nobody_else_is_left():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    hunt.found([claim(TRUE, 1, 2)], 0.0)
    hunt.is_answered = True
    hunt.tick(NO_START)
    assert hunt.tick(GIVE_UP - 0.01) == []
    assert hunt.tick(GIVE_UP) == [Drop()]


def test_who_is_connected_at_first_and_gone_then_is_waited_for_no_longer():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    hunt.found([claim(TRUE, 1)], 0.0)
    hunt.is_answered = True
    assert hunt.tick(NO_START) == [Look(ANY)]
    hunt.is_answered = False
    assert hunt.tick(NO_START + 0.25) == [Drop()]


@pytest.mark.parametrize("has_origin", [False, True])
def test_who_is_connected_and_silent_is_dropped_as_soon_where_there_is_another_way(has_origin):
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=has_origin)
    hunt.found([claim(TRUE, 1)] if has_origin else [claim(LIE, 1, 2), claim(TRUE, 3)], 0.0)
    hunt.is_answered = True
    patience = RESCUE if has_origin else NO_START
    assert hunt.tick(patience - 0.01) == [Look(ANY)]
    assert hunt.tick(patience) == [Drop(), Stream(alone=False) if has_origin else Begin(claim(TRUE, 3))]


def test_who_is_connected_is_waited_for_no_longer_once_it_was_streamed_from_in_vain():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([], 0.0, streaming=1) == [Stream(alone=False)]
    hunt.found([claim(TRUE, 1)], 1.0)
    assert hunt.failed(TransferStalled("nothing came"), NO_START) == [Begin(claim(TRUE, 1))]
    hunt.is_answered = True
    hunt.tick(2 * NO_START - 0.01)
    assert hunt.tick(2 * NO_START) == [Drop()]


def test_who_has_sent_bytes_is_waited_for_longer():
    hunt, now = begun(claim(TRUE, 1))
    hunt.tick(now + NO_START)
    assert hunt.tick(now + GIVE_UP - 0.01) == []
    assert hunt.tick(now + GIVE_UP) == [Drop()]
    (command,) = hunt.found([claim(TRUE, 1)], now + GIVE_UP)
    assert isinstance(command, GiveUp)
    assert isinstance(command.error, TransferStalled)
    assert command.error.hint


def test_as_long_as_bytes_come_it_goes_on():
    hunt, now = begun(claim(TRUE, 1))
    for later in range(1, 200):
        hunt.received(now + later)
        assert GiveUp not in {type(command) for command in hunt.tick(now + later)}
        hunt.found([claim(TRUE, 1)], now + later)


@pytest.mark.parametrize(
    ("is_following", "pauses"),
    [
        (True, (FIRST_LOOKS_STREAMING[0], LOOK_AGAIN_FOLLOWING, LOOK_AGAIN_FOLLOWING)),
        (False, (*FIRST_LOOKS_STREAMING, LOOK_AGAIN_STREAMING, LOOK_AGAIN_STREAMING)),
    ],
)
def test_who_takes_it_from_the_registry_looks_for_others_soon_and_who_follows_one_needs_few(is_following, pauses):
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True)
    assert hunt.found([], 0.0, streaming=1) == [Stream(alone=False)]
    hunt.is_following = is_following
    now = 0.0
    for pause in pauses:
        hunt.received(now + pause)
        assert hunt.tick(now + pause - 0.01) == []
        now += pause
        assert hunt.tick(now) == [Look(ANY)]
        hunt.found([], now)


def test_a_fetch_gets_anywhere_with_every_piece_and_with_many_bytes_and_not_with_few():
    headway = Headway()
    assert not headway.is_made(STEP - 1, 0, 10 * STEP)
    assert headway.is_made(STEP, 0, 10 * STEP)
    assert not headway.is_made(2 * STEP - 1, 0, 10 * STEP)
    assert headway.is_made(2 * STEP - 1, 1, 10 * STEP)
    assert not headway.is_made(2 * STEP, 1, 10 * STEP)


def test_another_attempt_gets_anywhere_though_the_last_one_had_come_further():
    headway = Headway()
    assert headway.is_made(5 * STEP, 5 * STEP, 10 * STEP)
    assert headway.is_made(STEP, 0, 10 * STEP)


def test_what_has_come_whole_and_is_being_kept_counts_as_getting_somewhere():
    headway = Headway()
    assert headway.is_made(STEP, STEP, STEP)
    assert headway.is_made(STEP, STEP, STEP)
    assert not headway.is_made(STEP, STEP, STEP + 1)
