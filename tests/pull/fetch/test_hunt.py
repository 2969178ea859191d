"""Each test is a conversation: what the hunt hears, and what it answers."""

from dataclasses import replace
from unittest.mock import ANY

import pytest

from p2player.errors import BlobNotFound, DiskFull, PeerUnreachable, TransferStalled
from p2player.pull.fetch.holders import Claim
from p2player.pull.fetch.hunt import Ban, Begin, Connect, Drop, GiveUp, Hunt, Look, Stream
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.swarm.metainfo import Metainfo
from tests.pull.fetch.hunting import DIGEST, LIE, OTHER_LIE, TRUE, begun, claim, holder, node

pytestmark = pytest.mark.usefixtures("by_swarm")  # a stream has no claim to begin with (chain/test_one_holder.py)


def test_what_most_say_is_tried_first_and_all_who_say_it_are_asked():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([claim(LIE, 1), claim(TRUE, 2, 3)], 0.0) == [Begin(claim(TRUE, 2, 3))]


def test_those_who_have_it_all_count_more_than_those_who_still_fetch_it():
    partial = Claim(LIE, tuple(holder(number, complete=False) for number in (1, 2, 3)))
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([partial, claim(TRUE, 4)], 0.0) == [Begin(claim(TRUE, 4))]


def test_somebody_who_only_fetches_it_is_followed():
    following = Claim(TRUE, (holder(1, complete=False),))
    assert Hunt(DIGEST, frozenset(), 0.0).found([following], 0.0) == [Begin(following)]


def test_nobody_having_it_is_believed_after_a_second_look():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([], 0.0) == [Look(ANY)]
    (command,) = hunt.found([], 0.1)
    assert isinstance(command, GiveUp)
    assert isinstance(command.error, BlobNotFound)


def test_somebody_found_at_the_second_look_is_fetched_from():
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    assert hunt.found([], 0.0) == [Look(ANY)]
    assert hunt.found([claim(TRUE, 1)], 0.1) == [Begin(claim(TRUE, 1))]


def test_who_is_banned_is_neither_asked_nor_counted():
    hunt = Hunt(DIGEST, frozenset({node(1), node(2)}), 0.0)
    assert hunt.found([claim(LIE, 1, 2), claim(TRUE, 3)], 0.0) == [Begin(claim(TRUE, 3))]


def test_who_is_banned_meanwhile_is_neither_asked_nor_counted_any_more():
    for meanwhile, after in (({node(3)}, Look(ANY)), (set(), Begin(claim(OTHER_LIE, 3)))):
        hunt, now = begun(claim(TRUE, 1, 2), claim(OTHER_LIE, 3))
        hunt.banned_meanwhile(frozenset(meanwhile))
        assert hunt.failed(PeerUnreachable("gone"), now) == [after]


def test_a_banned_node_that_says_what_others_say_is_left_out():
    hunt = Hunt(DIGEST, frozenset({node(1)}), 0.0)
    assert hunt.found([claim(TRUE, 1, 2)], 0.0) == [Begin(claim(TRUE, 2))]


def test_who_turns_up_later_is_fetched_from_too_but_only_once():
    hunt, now = begun(claim(TRUE, 1))
    assert hunt.found([claim(TRUE, 1, 2)], now) == [Connect((holder(2),))]
    assert hunt.found([claim(TRUE, 1, 2)], now) == []


def test_who_turns_up_with_another_claim_is_not_mixed_in():
    hunt, now = begun(claim(TRUE, 1))
    assert hunt.found([claim(LIE, 2)], now) == []


def test_a_lie_bans_those_who_said_they_have_it_and_the_next_claim_is_tried():
    hunt, now = begun(claim(LIE, 1, 2), claim(TRUE, 3))
    assert hunt.lied(now) == [Ban((node(1), node(2)), ANY), Begin(claim(TRUE, 3))]


def test_one_who_was_still_fetching_a_lie_is_not_banned_for_it():
    victims = Claim(LIE, (holder(1), holder(2, complete=False)))
    hunt, now = begun(victims)
    assert hunt.lied(now) == [Ban((node(1),), ANY), Look(ANY)]


def test_a_lie_is_not_tried_again_whoever_repeats_it():
    hunt, now = begun(claim(LIE, 1))
    assert hunt.lied(now) == [Ban((node(1),), ANY), Look(ANY)]
    (command,) = hunt.found([claim(LIE, 1, 2)], now)
    assert isinstance(command, GiveUp)
    assert isinstance(command.error, TransferStalled)


def test_a_liar_is_not_believed_with_another_claim_either():
    hunt, now = begun(claim(LIE, 1))
    hunt.lied(now)
    (command,) = hunt.found([claim(OTHER_LIE, 1)], now)
    assert isinstance(command, GiveUp)


def test_those_who_cannot_be_reached_are_not_banned_and_new_holders_of_the_same_claim_are_tried():
    hunt, now = begun(claim(TRUE, 1))
    assert hunt.failed(PeerUnreachable("gone"), now) == [Look(ANY)]
    assert hunt.found([claim(TRUE, 1, 2)], now) == [Begin(claim(TRUE, 2))]


def test_a_failure_with_nobody_else_is_what_is_told():
    hunt, now = begun(claim(TRUE, 1))
    assert hunt.failed(DiskFull("no room"), now) == [Look(ANY)]
    (command,) = hunt.found([claim(TRUE, 1)], now)
    assert isinstance(command, GiveUp)
    assert isinstance(command.error, DiskFull)


def test_a_size_that_the_manifest_does_not_say_is_neither_believed_nor_asked_about():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True, known_size=TRUE.size)
    assert hunt.found([claim(OTHER_LIE, 1, 2), claim(TRUE, 3)], 0.0) == [Begin(claim(TRUE, 3))]


@pytest.mark.parametrize(("has_origin", "known_size"), [(True, TRUE.size), (False, TRUE.size), (True, None)])
def test_who_says_another_size_than_is_known_is_tried_after_the_registry(has_origin, known_size):
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=has_origin, known_size=known_size)
    begin = Begin(claim(OTHER_LIE, 1, 2))
    is_first = has_origin and known_size is not None
    assert hunt.found([claim(OTHER_LIE, 1, 2)], 0.0) == [Stream(alone=False) if is_first else begin]
    if is_first:
        assert hunt.failed(PeerUnreachable("gone"), 1.0) == [begin]


def test_a_manifest_with_a_wrong_size_does_not_hide_what_there_is():
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True, known_size=5)
    assert hunt.found([claim(TRUE, 3)], 0.0) == [Begin(claim(TRUE, 3))]


def test_once_the_blob_is_here_who_signed_another_root_for_it_and_to_have_it_all_is_banned():
    mixed = Claim(LIE, (holder(2), holder(3, complete=False)))
    hunt, _ = begun(claim(TRUE, 1, 5), mixed, claim(OTHER_LIE, 4))
    assert hunt.landed(TRUE.size, TRUE.root) == [Ban((node(2), node(4)), ANY)]
    assert hunt.landed(TRUE.size, TRUE.root) == []


def test_once_the_blob_is_here_nobody_is_banned_who_signed_its_root_or_none():
    rootless = Claim(Metainfo(DIGEST, 5000, b""), (holder(2),))
    hunt, _ = begun(claim(TRUE, 1), rootless)
    assert hunt.landed(TRUE.size, TRUE.root) == []


def test_what_the_registry_has_otherwise_is_fetched_from_there_and_from_others_only_if_that_fails():
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True)
    assert hunt.found([claim(TRUE, 1, 2)], 0.0) == [Begin(claim(TRUE, 1, 2))]
    assert hunt.doubted(1.0) == [Drop(), Stream(alone=False)]
    assert hunt.found([claim(TRUE, 1, 2, 3)], 2.0) == []
    assert hunt.failed(DiskFull("no room"), 3.0) == [Begin(claim(TRUE, 1, 2, 3))]
    assert hunt.doubted(4.0) == [], "it is known"


def test_of_two_claims_the_one_that_is_doubted_is_tried_last():
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True)
    hunt.found([claim(LIE, 1, 2), claim(TRUE, 3)], 0.0)
    assert hunt.doubted(1.0) == [Drop(), Begin(claim(TRUE, 3))]


def test_nothing_can_fail_while_nothing_is_fetched():
    with pytest.raises(RuntimeError):
        Hunt(DIGEST, frozenset(), 0.0).lied(0.0)


def test_a_holder_that_has_it_all_by_now_counts_as_such():
    hunt, now = begun(Claim(TRUE, (holder(1, complete=False),)))
    assert hunt.found([claim(TRUE, 1)], now) == [Connect((holder(1),))]
    assert hunt.lied(now)[0] == Ban((node(1),), ANY)
    assert replace(holder(1), complete=False).peer.is_seed is False


def test_each_look_is_for_more_holders_than_are_known_already():
    hunt, now = begun(claim(TRUE, 1, 2, 3))
    (look,) = hunt.failed(PeerUnreachable("gone"), now)
    assert look == Look(3 + LIKELY_ENOUGH)
