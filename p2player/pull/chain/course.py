"""From whom to take a blob that nobody has whole yet: from a node that is ahead, or from the registry.

A machine without I/O, like `hunt`. All nodes that want a new blob say so in the DHT, and ask those they find there how
far they are. They form a chain, and behind a long one a tree (`peer.shape`): its head takes the blob from the registry, each other
node from the one before, from the byte on up to which it has it already. Bytes flow from a node that has more to one that has less. Between nodes that have
equally much, from the one nearer to the head or, where that does not tell, from the one that comes first on the ring of node
ids, counted from the digest's place on it: so no two nodes wait for each other, and those who find each other at the same
moment agree on who goes to the registry. That is another one for each layer of an image, but each node mostly has the same
neighbours in all their chains: streams between many pairs of nodes hinder each other more.

Whoever is left alone follows another node that is ahead or, if there is none, becomes the head.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

from p2player.errors import P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.shape import NO_SOURCE
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.choice import Choice
from p2player.pull.chain.commands import Command, Fail, Follow, GoUpstream, Source
from p2player.pull.chain.flow import Flow
from p2player.pull.chain.heads import Heads
from p2player.pull.chain.lag import Lag
from p2player.pull.chain.order import Order
from p2player.pull.chain.others import SHUN, SHUN_SILENT, Others
from p2player.pull.chain.patience import (
    GIVE_UP,
    ON_THE_WAY,
    STALLED,
    SUSPECT,
    WITHOUT_REGISTRY,
    of_depth,
    until_take_over,
)
from p2player.pull.chain.questions import Questions

WEIGH: Final = 10.0
"""Seconds after which a node that follows another asks a few whether they are far ahead of it."""
COMPARE: Final = 5.0
"""Seconds after which a node that follows another asks a third one whether it has the same bytes."""
UNPLACED: Final = 0.25
"""Seconds after which a node asks its source again that does not know yet how far it is from the registry."""
STOOD_STILL: Final = 1.0
"""Seconds between two ticks after which others may have taken this node for gone."""
SETTLED: Final = 1.0
"""Seconds after that in which those who did have found a place, which may be beside this node."""
LOOK_BACK: Final = 1.0
"""Seconds after which a node that went to the registry in place of its source asks whether that goes on by itself."""


class Course:
    """The course of one node through one blob. Times are seconds of any clock that does not go back."""

    def __init__(self, digest: Digest, me: NodeId, *, has_origin: bool, now: float) -> None:
        self.source: Source | None = None
        self.is_entering = False
        """Whether it is not known yet who else is at it: nobody goes to the registry, or gives up, before that."""
        self.place = Place()
        self._digest = digest
        self._me = me
        self._has_origin = has_origin
        self._order, self._others = Order(digest, me), Others(me)
        self._choice = Choice(me, self._order, self._others)
        self._heads = Heads(me, self._order, self._others)
        self._flow = Flow(now)
        self._lag = Lag(self._others, self._choice, self._flow)
        self._questions = Questions(self._order, self._others, self._flow, now)
        self._insisting = False
        self._is_let_in = False
        self._ancestors: tuple[Neighbour, ...] = ()
        """Over whom the source takes it, the nearest first, as it has said: who is followed next should the source be gone."""
        self._ticked_at = now
        self._woke_at: float | None = None
        """When it went on after it had stood still, while it is not known whether its followers went to its source meanwhile."""
        self._gave_way_at: Neighbour | None = None
        """Where it had a place, until it has found another one."""
        self._ahead_since: float | None = None
        """Since when it has heard that others have what its source waits for."""
        self._failure: P2PlayerError | None = None

    @property
    def offset(self) -> int:
        """Up to which byte the blob is here."""
        return self._flow.offset

    @property
    def known(self) -> Mapping[NodeId, Neighbour]:
        """All others that fetch the blob or have it, as far as this node has heard."""
        return self._others.known

    @property
    def followed(self) -> Neighbour | None:
        """The source, if it is another node."""
        return self.source if isinstance(self.source, Neighbour) else None

    @property
    def is_behind_whole(self) -> bool:
        """Whether the source has all of the blob."""
        standing = self._others.standing(self.source) if isinstance(self.source, Neighbour) else None
        return standing is not None and standing.is_whole

    @property
    def depth(self) -> int:
        """Over how many other nodes it comes from the registry."""
        return self.place.depth

    def take_up(self, command: Follow | GoUpstream, now: float) -> list[Command]:
        """Begin with this, as was found out before."""
        if isinstance(command, Follow):
            self._others.told_of([command.neighbour])
            return self._go(command, now)
        return self._go(command, now) if self._has_origin else self._ask(now)

    def sighted(self, neighbours: Iterable[Neighbour], now: float) -> list[Command]:
        """Take what a look has found: those who are fetching the blob or have it. They are asked how far they are."""
        self._others.sighted(neighbours)
        return self._ask(now)

    def answered(self, node: NodeId, standing: Standing | None, now: float) -> list[Command]:
        """Take a node's answer; None: it gave none, or has nothing of the blob."""
        if standing is not None and isinstance(self.source, Neighbour) and self.source.node == node:
            self._heard_of_source(self.source, standing, now)
        if self._questions.is_of_single(node):
            # The others, whose answers are old by now, are no ground to decide anything.
            if self.source == "upstream" and self._heads.has_come_back(node, standing, self.offset):
                return self._go(Follow(self.known[node]), now)
            return [] if self._woke_at is None or standing is None else self._give_way(node, standing, now)
        if standing is not None:
            self._others.heard(node, standing)
        return self._decide(now) if self._questions.answered(node, standing, now) else []

    def _give_way(self, node: NodeId, standing: Standing, now: float) -> list[Command]:
        """Go behind those who left this node while it stood still, and sit beside it now: each gets half of what comes."""
        if self.followed is None or self.followed.node != node:
            return []
        self._woke_at = None
        if standing.followers <= standing.most_followers:
            return []
        self._gave_way_at = self.followed
        return self._go(Follow(self.followed), now)

    def let_in(self, standing: Standing, now: float) -> None:
        """Take note that the source lets this node follow, and how far it is."""
        if isinstance(self.source, Neighbour):
            self._is_let_in, self._gave_way_at = True, None
            self._others.heard(self.source.node, standing)
            self._heard_of_source(self.source, standing, now)

    def sent_on(self, instead: Sequence[Neighbour], depth: int, now: float) -> list[Command]:
        """Take note that the node that was to be followed has its follower and names others instead, the first at that depth."""
        was, self.source = self.source, None
        further = self._others.told_of(instead)
        talking = [each for each in further if not self._others.is_silent(each.node, now)]
        if isinstance(was, Neighbour):
            self._others.sent_on(was.node, now)
            if self._insisting:
                self._others.shun(was.node, now + SHUN_SILENT)
            elif len(talking) < min(len(further), self._places(was)):
                # What follows there has just given no answer, and keeps the place for as long as its connection lasts.
                return self._go(Follow(was, insist=True), now)
        if unasked := [each for each in talking if not self._others.is_full(each.node, now)]:
            self.place = Place(depth)
            return self._go(Follow(unasked[0]), now)  # and so on to the end of the chain
        back, self._gave_way_at = self._gave_way_at, None
        return self._go(Follow(back, insist=True), now) if back else self._choose(now)

    def _places(self, neighbour: Neighbour) -> int:
        """Return how many may follow a node."""
        standing = self._others.standing(neighbour)
        return standing.most_followers if standing else 1

    def ended(self, error: P2PlayerError | None, now: float, *, shun: float = SHUN) -> list[Command]:
        """Take note that no more comes from the source; error is why, None if it had sent all it has.

        A node is not followed again for `shun` seconds.
        """
        was, self.source, self._gave_way_at = self.source, None, None
        if isinstance(was, Neighbour):
            self._others.shun(was.node, now + shun)
        elif was == "upstream":
            self._has_origin = False
            self._failure = error
        return self._ask(now)

    def distrust(self, node: NodeId) -> None:
        """Take note that a node has sent, or signed, what cannot be right: it is never followed again."""
        self._others.distrust(node)
        if self.followed is not None and self.followed.node == node:
            self._ancestors = ()  # it may have made them up

    def moved(self, offset: int, now: float) -> None:
        """Take note that the blob is here up to offset."""
        self._flow.moved(offset, now)
        self._ahead_since = None

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        if now - self._ticked_at >= STOOD_STILL:
            self._woke_at = now
        self._ticked_at = now
        if self._has_stopped(now):
            self._questions.close()  # who was asked while all was well may be the wrong ones
            return self._ask(now)
        if self._questions.is_open:
            return self._decide(now) if self._questions.is_over(now) else []
        pause = ON_THE_WAY if self._flow.is_owed else STALLED
        if (self.source is None or self._flow.is_stalled(now)) and now - self._questions.asked_at >= pause:
            return self._ask(now)
        return self._mind(self.source, now) if isinstance(self.source, Neighbour) else self._look_back(now)

    def _mind(self, source: Neighbour, now: float) -> list[Command]:
        """Ask, now and then, what may have changed while bytes come."""
        if self._woke_at is not None and now - self._woke_at >= SETTLED and not self._questions.is_asked(source.node):
            return self._questions.single(source, now)
        if self.depth > NO_SOURCE and now - self._questions.asked_at >= UNPLACED:
            return self._questions.single(source, now)  # it has found somebody since, or will soon
        if now - self._questions.round_at >= WEIGH:
            return self._ask(now)
        return self._questions.compare(source, self.depth, now) if now - self._questions.asked_at >= COMPARE else []

    def _look_back(self, now: float) -> list[Command]:
        """Ask the source in whose place this node went to the registry whether it gets bytes again."""
        relieved = self._heads.relieved if self.source == "upstream" else None
        is_due = now - self._questions.asked_at >= LOOK_BACK and not self._flow.is_stalled(now)
        return self._questions.single(relieved, now) if relieved and is_due else []

    def _ask(self, now: float, *, for_all: bool = False) -> list[Command]:
        if self._questions.is_open:
            return []
        asked = self._questions.begin(self.source, self._ancestors, now, for_all=for_all)
        return [asked] if asked else self._decide(now)

    def _decide(self, now: float) -> list[Command]:
        self._questions.close()
        if self._flow.starved(now) >= GIVE_UP:
            return [Fail(self._failure or self._stalled(now))]
        match self.source:
            case None:
                return self._choose(now)
            case Neighbour() as source:
                return self._reconsider(source, now)
            case _:
                return self._yield_to_another_head(now)

    def _choose(self, now: float) -> list[Command]:
        if following := self._choice.source(self.offset, self.depth, self._ancestors, now):
            return self._go(following, now)
        if self.is_entering:
            return []
        if self._has_origin:
            return self._go(GoUpstream(), now)
        if self._others.answering(now) and self._flow.quiet(now) < WITHOUT_REGISTRY:
            return []  # one of them may get ahead
        return [Fail(self._failure or self._stalled(now))]

    def _reconsider(self, source: Neighbour, now: float) -> list[Command]:
        ahead = [each for each in self._others.ahead(self.offset, now) if each != source]
        standing = self._others.standing(source)
        is_gone = standing is None and self._flow.is_suspect(now)
        if not self._flow.is_stalled(now) and not is_gone:
            return self._leave_if_slow(source, now)
        if standing is not None and self._flow.is_on_the_way(now):
            return []
        if standing is None or standing.offset > self.offset:
            # It is gone, or has bytes that it does not send.
            self._others.shun(source.node, now + SHUN)
            self.source = None
            return self._choose(now)
        # It waits as well: whoever follows the one that is to blame finds another source, and all behind have theirs back.
        # What others have got only now, after all have waited for it, takes its time to here as well.
        if not ahead:
            self._ahead_since = None
        elif self._ahead_since is None:
            self._ahead_since = now
        # And whoever follows the one to blame has to ask it before.
        if self._ahead_since is not None and now - self._ahead_since >= ANSWER_WITHIN + of_depth(self.depth):
            return self._go(Follow(min(ahead, key=self._choice.preference), insist=True), now)
        if not self._has_origin or self._flow.quiet(now) < self._turn(now):
            return []
        self._heads.relieve(source, standing.offset)
        return self._go(GoUpstream(), now)

    def _turn(self, now: float) -> float:
        """Return after how many quiet seconds it is this node's turn to go to the registry."""
        nearer = len(self._others.ahead(self.offset, now)) + len(self._choice.level(self.offset, self.depth, now))
        is_head_there = any(self._others.of(each).place.depth == 0 for each in self._others.answering(now))
        return until_take_over(self.depth, nearer, is_head_there=is_head_there)

    def _leave_if_slow(self, source: Neighbour, now: float) -> list[Command]:
        if not self._lag.is_great(source, now):
            return []
        if not self._questions.was_for_all:
            return self._ask(now, for_all=True)  # one of them may have no follower yet
        other = self._lag.way_around(source, self.depth, now)
        return self._go(Follow(other, insist=True), now) if other else []

    def _yield_to_another_head(self, now: float) -> list[Command]:
        """Join another chain, if its head is the one to stay."""
        other = self._heads.to_join(self.offset, now, is_stuck=self._flow.is_stalled(now))
        return self._go(Follow(other), now) if other else []

    def _has_stopped(self, now: float) -> bool:
        """Tell whether a source that sent bytes, or has yet to let this node in, is to be asked now whether it is there."""
        is_expected = self.followed is not None and (not self._is_let_in or self._flow.has_come)
        return is_expected and self._flow.is_suspect(now) and self._questions.asked_at < self._flow.moved_at + SUSPECT

    def _go(self, command: Follow | GoUpstream, now: float) -> list[Command]:
        self._questions.close()  # the answers that are still to come say nothing of the new source
        self._flow.changed(now)
        self._ancestors = ()
        self._is_let_in = False
        match command:
            case GoUpstream():
                self.source, self.place = "upstream", Place(0, self._me)
            case Follow(neighbour):
                self.source = neighbour
                if (standing := self._others.standing(neighbour)) is not None:
                    self._heard_of_source(neighbour, standing, now)
                else:
                    self.place = Place(self.depth).behind(neighbour)  # as the one said that sent this node on
        self._insisting = isinstance(command, Follow) and command.insist
        self._ahead_since = None
        return [command]

    def _heard_of_source(self, source: Neighbour, standing: Standing, now: float) -> None:
        before = tuple(takewhile(lambda each: each.node != self._me, standing.place.before))
        self.place, self._ancestors = standing.place._replace(before=before).behind(source), before
        self._flow.promised(standing.offset, now)

    def _stalled(self, now: float) -> P2PlayerError:
        registry = "its registry or " if self._has_origin else ""
        return TransferStalled(
            f"no byte of {self._digest} has come for {self._flow.starved(now):.0f} s from {registry}the {len(self.known)} node(s)"
            " that fetch it",
            hint=f"see who was asked with: p2player why {self._digest}",
        )
