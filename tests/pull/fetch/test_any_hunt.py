"""What holds for a hunt whatever it hears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import PeerUnreachable
from p2player.pull.fetch.holders import Claim
from p2player.pull.fetch.hunt import Ban, Begin, Connect, Drop, GiveUp, Hunt, Look, Settle, Stream
from p2player.pull.integrity.dispute import Standing
from tests.pull.fetch.hunting import DIGEST, LIE, OTHER_LIE, TRUE, holder, node, verdict

pytestmark = pytest.mark.usefixtures("either_way")
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


@given(st.lists(claims, max_size=3), steps, st.frozensets(st.integers(1, 5).map(node), max_size=3))
def test_in_any_order_of_events_one_claim_is_tried_at_a_time_and_no_banned_node_is_asked(first, events, banned):
    conversation = Conversation(first, banned)
    for event in events:
        if not conversation.is_over:
            conversation.say(event)


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
