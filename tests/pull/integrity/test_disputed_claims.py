"""Each test is a conversation with a hunt about claims that contradict each other."""

from unittest.mock import ANY

import pytest

from p2player.errors import PeerUnreachable
from p2player.pull.fetch.holders import Claim
from p2player.pull.fetch.hunt import Ban, Begin, Connect, Drop, Hunt, Look, Settle, Stream
from p2player.pull.integrity.dispute import Standing
from p2player.swarm.metainfo import Metainfo
from tests.pull.fetch.hunting import DIGEST, LIE, OTHER_LIE, TRUE, claim, holder, node, verdict

pytestmark = pytest.mark.usefixtures("by_swarm")  # a stream has no claim to begin with (chain/test_one_holder.py)


def disputing(*claims, **knowing):
    """Return a hunt that has two claims or more settled before it fetches."""
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True, **knowing)
    assert hunt.found(claims, 0.0) == [Settle(claims)]
    return hunt


def test_claims_that_differ_are_settled_before_one_is_fetched_and_the_refuted_are_banned():
    hunt = disputing(claim(LIE, 1, 2), claim(TRUE, 3))
    refuted = verdict({1}, lie=Standing.REFUTED, true=Standing.HEARD)
    assert hunt.settled(refuted, 0.1, is_final=True) == [Ban((node(1),), "lied"), Begin(claim(TRUE, 3))]


def test_without_a_way_to_judge_evidence_nothing_is_settled():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([claim(LIE, 1), claim(TRUE, 2, 3)], 0.0) == [Begin(claim(TRUE, 2, 3))]


def test_a_claim_that_only_fetchers_make_is_no_matter_of_dispute():
    fetching = Claim(LIE, (holder(1, complete=False), holder(2, complete=False)))
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True)
    assert hunt.found([fetching, claim(TRUE, 3)], 0.0) == [Begin(claim(TRUE, 3))]


def test_who_was_not_heard_is_tried_after_who_was_and_is_not_banned():
    hunt = disputing(claim(LIE, 1, 2), claim(TRUE, 3))
    assert hunt.settled(verdict(true=Standing.HEARD), 0.1, is_final=True) == [Begin(claim(TRUE, 3))]
    assert hunt.failed(PeerUnreachable("gone"), 1.0) == [Begin(claim(LIE, 1, 2))]


def test_a_dispute_that_takes_long_does_not_hold_up_the_fetch_and_may_end_it_later():
    hunt = disputing(claim(LIE, 1, 2), claim(TRUE, 3))
    assert hunt.settled(verdict(), 2.0, is_final=False) == [Begin(claim(LIE, 1, 2))]
    hunt.received(2.5)
    refuted = verdict({1, 2}, lie=Standing.REFUTED, true=Standing.HEARD)
    bans = [Ban((node(1),), "lied"), Ban((node(2),), "lied")]
    assert hunt.settled(refuted, 3.0, is_final=True) == [*bans, Drop(), Begin(claim(TRUE, 3))]


def test_what_is_found_meanwhile_waits_for_the_end_of_the_dispute():
    hunt = disputing(claim(LIE, 1), claim(TRUE, 2))
    assert hunt.tick(0.5) == [Look(ANY)]
    assert hunt.found([claim(TRUE, 2, 3)], 0.6) == []
    assert hunt.settled(verdict(true=Standing.HEARD), 0.7, is_final=True) == [Begin(claim(TRUE, 2, 3))]


def test_another_claim_that_turns_up_later_is_settled_beside_the_fetch():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True)
    assert hunt.found([claim(LIE, 1)], 0.0) == [Begin(claim(LIE, 1))]
    hunt.received(0.1)
    assert hunt.found([claim(LIE, 1, 2), claim(TRUE, 3)], 0.3) == [
        Connect((holder(2),)),
        Settle((claim(LIE, 1, 2), claim(TRUE, 3))),
    ]
    refuted = verdict({1}, lie=Standing.REFUTED, true=Standing.HEARD)
    assert hunt.settled(refuted, 0.4, is_final=True) == [Ban((node(1),), "lied"), Drop(), Begin(claim(TRUE, 3))]


def test_a_fetch_from_which_bytes_come_is_not_given_up_for_a_claim_that_is_merely_heard():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True)
    hunt.found([claim(TRUE, 1)], 0.0)
    hunt.received(0.1)
    hunt.found([claim(TRUE, 1), claim(LIE, 2)], 0.3)
    assert hunt.settled(verdict(lie=Standing.HEARD), 0.4, is_final=True) == []


def test_a_fetch_from_which_nothing_comes_is_given_up_for_it():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True)
    hunt.found([claim(LIE, 1)], 0.0)
    hunt.found([claim(LIE, 1), claim(TRUE, 2)], 0.3)
    assert hunt.settled(verdict(true=Standing.HEARD), 0.4, is_final=True) == [Drop(), Begin(claim(TRUE, 2))]


def test_when_all_who_make_any_claim_are_refuted_others_are_looked_for():
    hunt = disputing(claim(LIE, 1), claim(OTHER_LIE, 2))
    refuted = verdict({1, 2}, lie=Standing.REFUTED, other=Standing.REFUTED)
    assert hunt.settled(refuted, 0.1, is_final=True)[2:] == [Look(ANY)]
    assert hunt.found([claim(LIE, 1), claim(OTHER_LIE, 2), claim(TRUE, 3)], 0.2) == [Begin(claim(TRUE, 3))]


def test_when_all_of_a_running_claim_are_refuted_it_ends_though_there_is_no_other():
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True, can_settle=True)
    hunt.found([claim(LIE, 1)], 0.0)
    hunt.found([claim(LIE, 1), claim(OTHER_LIE, 2)], 0.3)
    refuted = verdict({1, 2}, lie=Standing.REFUTED, other=Standing.REFUTED)
    assert hunt.settled(refuted, 0.4, is_final=True)[2:] == [Drop(), Stream(alone=False)]


def test_new_claims_without_end_do_not_hold_up_a_fetch_without_end():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True)
    hunt.found([claim(TRUE, 1)], 0.0)
    settlements = 0
    for number in range(2, 20):
        made_up = Metainfo(DIGEST, 1_000_000, bytes([number]) * 32)
        commands = hunt.found([claim(made_up, number)], float(number))
        settlements += len(commands)
        if commands:
            assert hunt.settled(verdict(), float(number), is_final=True) == []
    assert settlements == 3
