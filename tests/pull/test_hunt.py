"""Each test is a conversation: what the hunt hears, and what it answers."""

from dataclasses import replace
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import BlobNotFound, DiskFull, PeerUnreachable, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.dispute import Standing, Verdict
from p2player.pull.holders import Claim, Holder
from p2player.pull.hunt import (
    FIRST_LOOKS,
    FIRST_LOOKS_STREAMING,
    GIVE_UP,
    LOOK_AGAIN,
    LOOK_AGAIN_FOLLOWING,
    LOOK_AGAIN_STREAMING,
    NO_START,
    RESCUE,
    STALLED,
    Ban,
    Begin,
    Connect,
    Drop,
    GiveUp,
    Hunt,
    Look,
    Settle,
    Stream,
)
from p2player.pull.search import LIKELY_ENOUGH
from p2player.swarm.metainfo import Metainfo

DIGEST = Digest.of(b"blob")
TRUE = Metainfo(DIGEST, 1_000_000, b"t" * 32)
LIE = Metainfo(DIGEST, 1_000_000, b"l" * 32)
OTHER_LIE = Metainfo(DIGEST, 2_000_000, b"o" * 32)


@pytest.fixture(autouse=True)
def way(request):
    """Keep to the swarm but for what holds either way: a stream has no claim to begin with (chain/test_one_holder.py)."""
    if "either_way" not in request.fixturenames:
        request.getfixturevalue("by_swarm")


def node(number):
    return NodeId(bytes([number]) * 20)


def holder(number, *, complete=True):
    address = f"10.0.0.{number}"
    return Holder((address, 7401), complete, node(number), (address, 7400))


def claim(metainfo, *numbers):
    return Claim(metainfo, tuple(map(holder, numbers)))


def begun(*claims, banned=()):
    """Return a hunt that fetches by the first of claims, at time 0, and has had its first looks."""
    hunt = Hunt(DIGEST, frozenset(map(node, banned)), 0.0)
    (command,) = hunt.found(claims, 0.0)
    assert isinstance(command, Begin)
    now = 0.0
    for pause in FIRST_LOOKS:
        now += pause
        hunt.received(now)
        assert hunt.tick(now) == [Look(ANY)]
        assert hunt.found(claims, now) == []
    return hunt, now


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
    assert hunt.found([], 0.0, followable=True) == [Stream(alone=False)]
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


def disputing(*claims, **knowing):
    """Return a hunt that has two claims or more settled before it fetches."""
    hunt = Hunt(DIGEST, frozenset(), 0.0, can_settle=True, **knowing)
    assert hunt.found(claims, 0.0) == [Settle(claims)]
    return hunt


def verdict(refuted=(), **standings):
    named = {"true": TRUE, "lie": LIE, "other": OTHER_LIE}
    standings = {"true": Standing.UNHEARD, "lie": Standing.UNHEARD} | standings
    return Verdict(dict.fromkeys(map(node, refuted), "lied"), {named[name]: how for name, how in standings.items()})


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


@pytest.mark.parametrize(
    ("is_following", "pauses"),
    [
        (True, (FIRST_LOOKS_STREAMING[0], LOOK_AGAIN_FOLLOWING, LOOK_AGAIN_FOLLOWING)),
        (False, (*FIRST_LOOKS_STREAMING, LOOK_AGAIN_STREAMING, LOOK_AGAIN_STREAMING)),
    ],
)
def test_who_takes_it_from_the_registry_looks_for_others_soon_and_who_follows_one_needs_few(is_following, pauses):
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True)
    assert hunt.found([], 0.0, followable=True) == [Stream(alone=False)]
    hunt.is_following = is_following
    now = 0.0
    for pause in pauses:
        hunt.received(now + pause)
        assert hunt.tick(now + pause - 0.01) == []
        now += pause
        assert hunt.tick(now) == [Look(ANY)]
        hunt.found([], now)


def test_nothing_can_fail_while_nothing_is_fetched():
    with pytest.raises(RuntimeError):
        Hunt(DIGEST, frozenset(), 0.0).lied(0.0)


holders = st.builds(holder, st.integers(1, 5), complete=st.booleans())
claims = st.builds(Claim, st.sampled_from([TRUE, LIE, OTHER_LIE]), st.lists(holders, max_size=4).map(tuple))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.lists(claims, max_size=3)),
        st.tuples(st.just("wait"), st.floats(0.1, 40)),
        st.just(("bytes",)),
        st.just(("lied",)),
        st.just(("failed",)),
        st.just(("doubted",)),
        st.tuples(
            st.just("settled"),
            st.frozensets(st.integers(1, 5), max_size=2),
            st.lists(st.sampled_from(Standing), min_size=3, max_size=3),
            st.booleans(),
        ),
    ),
    max_size=60,
)


class Conversation:
    """Plays the rest of a node to a hunt, and minds the rules."""

    def __init__(self, first, banned=frozenset()):
        self.hunt = Hunt(DIGEST, banned, 0.0, can_settle=True)
        self.now = 0.0
        self.banned = set(banned)
        self.current = None
        self.looking = True
        self.is_over = False
        self.settling = False
        self.say(("answer", first))

    def hear(self, commands):
        for command in commands:
            assert not self.is_over, "nothing comes after the end"
            match command:
                case Look():
                    assert not self.looking, "one look at a time"
                    self.looking = True
                case Settle(disputed):
                    assert not self.settling, "one dispute at a time"
                    assert disputed
                    for one in disputed:
                        self.mind(one.holders)
                    self.settling = True
                case Begin() | Stream():
                    self.begin(command)
                case Drop():
                    assert self.current is not None
                    self.current = None
                case Connect(more):
                    assert self.current is not None
                    self.mind(more)
                case Ban(nodes):
                    self.banned.update(nodes)
                case GiveUp(error):
                    assert self.current is None
                    assert error.message
                    self.is_over = True

    def begin(self, command):
        assert self.current is None, "one claim at a time"
        if isinstance(command, Begin):
            assert command.claim.holders
            self.mind(command.claim.holders)
        self.current = command

    def mind(self, asked):
        assert not {someone.node for someone in asked} & self.banned, "no banned node is asked"

    def say(self, step):
        match step:
            case ("answer", found) if self.looking:
                self.looking = False
                self.hear(self.hunt.found(found, self.now))
            case ("wait", seconds):
                self.now += seconds
                self.hear(self.hunt.tick(self.now))
            case ("bytes",) if self.current:
                self.hunt.received(self.now)
            case ("lied",) if self.current:
                self.current = None
                self.hear(self.hunt.lied(self.now, was_relayed=True))
            case ("doubted",) if self.current:
                self.hear(self.hunt.doubted(self.now))
            case ("settled", refuted, standings, is_final) if self.settling:
                self.settling = not is_final
                by_claim = dict(zip(("true", "lie", "other"), standings, strict=True))
                self.hear(self.hunt.settled(verdict(refuted, **by_claim), self.now, is_final=is_final))
            case ("failed",) if self.current:
                self.current = None
                self.hear(self.hunt.failed(PeerUnreachable("gone"), self.now))


@pytest.mark.usefixtures("either_way")
@given(st.lists(claims, max_size=3), steps, st.frozensets(st.integers(1, 5).map(node), max_size=3))
def test_in_any_order_of_events_one_claim_is_tried_at_a_time_and_no_banned_node_is_asked(first, events, banned):
    conversation = Conversation(first, banned)
    for event in events:
        if not conversation.is_over:
            conversation.say(event)


@pytest.mark.usefixtures("either_way")
@given(st.lists(claims, max_size=3), steps)
def test_a_hunt_that_gets_no_more_bytes_always_ends(standing, events):
    conversation = Conversation(standing)
    for event in events:
        if not conversation.is_over:
            conversation.say(event)
    for _ in range(500):
        if conversation.is_over:
            return
        conversation.say(("settled", frozenset(), [Standing.UNHEARD] * 3, True))
        conversation.say(("answer", standing))
        if isinstance(conversation.current, Stream):
            conversation.say(("failed",))  # as its own course would tell
        elif not conversation.is_over:
            conversation.say(("wait", 1.0))
    raise AssertionError("it never ends")


def test_a_holder_that_has_it_all_by_now_counts_as_such():
    hunt, now = begun(Claim(TRUE, (holder(1, complete=False),)))
    assert hunt.found([claim(TRUE, 1)], now) == [Connect((holder(1),))]
    assert hunt.lied(now)[0] == Ban((node(1),), ANY)
    assert replace(holder(1), complete=False).peer.is_seed is False


def test_each_look_is_for_more_holders_than_are_known_already():
    hunt, now = begun(claim(TRUE, 1, 2, 3))
    (look,) = hunt.failed(PeerUnreachable("gone"), now)
    assert look == Look(3 + LIKELY_ENOUGH)
