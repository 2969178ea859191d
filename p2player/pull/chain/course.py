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
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, Literal

from p2player.errors import P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.shape import NO_SOURCE, most_followers
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.asking import ANSWER_WITHIN, Asking
from p2player.pull.chain.heads import Heads
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

ASK_AT_ONCE: Final = 16
CROWD: Final = 16
"""Of so many, whoever comes asks the one at the front for its place: it knows best how many there are."""
ASK_WHILE_WELL: Final = 3
"""How many are asked while bytes come: enough to notice that others are far ahead."""
ASK_WHEN_SUSPECT: Final = 5
"""How many are asked beside a source that has stopped: so many that some answer though neighbours of it are gone as well."""
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
LAG_BYTES: Final = 8 * 1024 * 1024
LAG_SECONDS: Final = 8.0
"""What is taken from a node that falls behind by more than this is taken from another one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask these how far they are."""

    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """Take the blob from this node from now on, and from nobody else. Insist: although others follow it already."""

    neighbour: Neighbour
    insist: bool = False


@dataclass(frozen=True, slots=True)
class GoUpstream:
    """Take the blob from its registry from now on."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Nobody is left to take it from."""

    error: P2PlayerError


Command = Ask | Follow | GoUpstream | Fail
Source = Neighbour | Literal["upstream"]


@dataclass(slots=True)
class Course:
    """The course of one node through one blob. Times are seconds of any clock that does not go back."""

    digest: Digest
    me: NodeId
    has_origin: bool
    now: float
    offset: int = 0
    source: Source | None = None
    is_entering: bool = False
    """Whether it is not known yet who else is at it: nobody goes to the registry, or gives up, before that."""
    place: Place = field(default_factory=Place)
    _order: Order = field(init=False)
    _others: Others = field(init=False)
    _heads: Heads = field(init=False)
    _asking: Asking | None = None
    """Those whose answers are waited for."""
    _insisting: bool = False
    _asked_all: bool = False
    _comparing: set[NodeId] = field(default_factory=set)
    _compared: int = 0
    _promised: tuple[int, float] = 0, 0.0
    """How many bytes the source said that it has, and when."""
    _ancestors: tuple[Neighbour, ...] = ()
    """Over whom the source takes it, the nearest first, as it has said: who is followed next should the source be gone."""
    _is_let_in: bool = False
    _ticked_at: float = 0.0
    _woke_at: float | None = None
    """When it went on after it had stood still, while it is not known whether its followers went to its source meanwhile."""
    _gave_way_at: Neighbour | None = None
    """Where it had a place, until it has found another one."""
    _asked_at: float = 0.0
    _weighed_at: float = 0.0
    """When more than one node was last asked."""
    _moved_at: float = 0.0
    """When bytes last came, or another source was begun with."""
    _came_at: float = 0.0
    _began: float = 0.0
    _changed_at: float = 0.0
    _ahead_since: float | None = None
    """Since when it has heard that others have what its source waits for."""
    _patience: float = SHUN
    _failure: P2PlayerError | None = None

    def __post_init__(self) -> None:
        self._order, self._others = Order(self.digest, self.me), Others(self.me)
        self._heads = Heads(self.me, self._order, self._others)
        self._asked_at = self._weighed_at = self._moved_at = self._came_at = self._began = self._changed_at = (
            self._ticked_at
        ) = self.now

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
        return self._go(command, now) if self.has_origin else self._ask(now)

    def sighted(self, neighbours: Iterable[Neighbour], now: float) -> list[Command]:
        """Take what a look has found: those who are fetching the blob or have it. They are asked how far they are."""
        self._others.sighted(neighbours)
        return self._ask(now)

    def answered(self, node: NodeId, standing: Standing | None, now: float) -> list[Command]:
        """Take a node's answer; None: it gave none, or has nothing of the blob."""
        if standing is not None and isinstance(self.source, Neighbour) and self.source.node == node:
            self._heard_of_source(self.source, standing, now)
        if node in self._comparing:
            # Only what it has was asked: the others, whose answers are old by now, are no ground to decide anything.
            self._comparing.discard(node)
            if self.source == "upstream" and self._heads.has_come_back(node, standing, self.offset):
                return self._go(Follow(self.known[node]), now)
            return [] if self._woke_at is None or standing is None else self._give_way(node, standing, now)
        if standing is not None:
            self._others.heard(node, standing)
        asking = self._asking
        if asking is None or node not in asking.pending:
            return []  # it was decided without it
        if standing is not None:
            asking.answered(node, now)
        else:
            asking.refused(node)
            if now - self._asked_at >= ANSWER_WITHIN:
                self._others.fell_silent(node, now)
            else:
                self._others.shun(node, now + SHUN_SILENT)
        return [] if asking.pending else self._decide(now)

    def _give_way(self, node: NodeId, standing: Standing, now: float) -> list[Command]:
        """Go behind those who left this node while it stood still, and sit beside it now: each gets half of what comes."""
        if self.followed is None or self.followed.node != node:
            return []
        self._woke_at = None
        if standing.followers <= most_followers(standing.place.depth, standing.size):
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
        return most_followers(standing.place.depth, standing.size) if standing else 1

    def ended(self, error: P2PlayerError | None, now: float, *, shun: float = SHUN) -> list[Command]:
        """Take note that no more comes from the source; error is why, None if it had sent all it has.

        A node is not followed again for `shun` seconds.
        """
        was, self.source, self._gave_way_at = self.source, None, None
        if isinstance(was, Neighbour):
            self._others.shun(was.node, now + shun)
        elif was == "upstream":
            self.has_origin = False
            self._failure = error
        return self._ask(now)

    def distrust(self, node: NodeId) -> None:
        """Take note that a node has sent, or signed, what cannot be right: it is never followed again."""
        self._others.distrust(node)
        if self.followed is not None and self.followed.node == node:
            self._ancestors = ()  # it may have made them up

    def moved(self, offset: int, now: float) -> None:
        """Take note that the blob is here up to offset."""
        self.offset = offset
        self._moved_at = self._came_at = now
        self._ahead_since = None

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        if now - self._ticked_at >= STOOD_STILL:
            self._woke_at = now
        self._ticked_at = now
        if self._has_stopped(now):
            self._asking = None  # who was asked while all was well may be the wrong ones
            return self._ask(now)
        if self._asking is not None:
            if not self._asking.is_over(now):
                return []
            for node in self._asking.pending:
                self._others.fell_silent(node, now)
            return self._decide(now)
        pause = STALLED if self._promised[0] <= self.offset else ON_THE_WAY
        if (self.source is None or now - self._moved_at >= STALLED) and now - self._asked_at >= pause:
            return self._ask(now)
        return self._mind(self.source, now) if isinstance(self.source, Neighbour) else self._look_back(now)

    def _mind(self, source: Neighbour, now: float) -> list[Command]:
        """Ask, now and then, what may have changed while bytes come."""
        if self._woke_at is not None and now - self._woke_at >= SETTLED and source.node not in self._comparing:
            return self._ask_only(source, now)
        if self.depth > NO_SOURCE and now - self._asked_at >= UNPLACED:
            return self._ask_only(source, now)  # it has found somebody since, or will soon
        if now - self._weighed_at >= WEIGH:
            return self._ask(now)
        return self._compare(now) if now - self._asked_at >= COMPARE else []

    def _look_back(self, now: float) -> list[Command]:
        """Ask the source in whose place this node went to the registry whether it gets bytes again."""
        relieved = self._heads.relieved if self.source == "upstream" else None
        is_due = now - self._asked_at >= LOOK_BACK and now - self._moved_at < STALLED
        return self._ask_only(relieved, now) if relieved and is_due else []

    def _compare(self, now: float) -> list[Command]:
        """Ask one more node, each time another, but none of those behind this one: they have what they have from here."""
        others = [each for each in self._others.usable(now) if each != self.source]
        before = [it for it in others if (standing := self._others.standing(it)) and standing.place.depth <= self.depth]
        if not (before or others):
            self._asked_at = now
            return []
        self._compared += 1
        in_order = sorted(before or others, key=lambda each: self._order.distance(each.node))
        return self._ask_only(in_order[self._compared % len(in_order)], now)

    def _ask_only(self, neighbour: Neighbour, now: float) -> list[Command]:
        """Ask one node what it has, and decide nothing by its answer."""
        self._asked_at = now
        self._comparing.add(neighbour.node)
        return [Ask((neighbour,))]

    def _ask(self, now: float, *, all_of_them: bool = False) -> list[Command]:
        if self._asking is not None:
            return []
        is_well = self.source is not None and now - self._moved_at < STALLED
        self._asked_all = all_of_them or not is_well
        is_quiet = self.source is None or self._is_suspect(now)
        first = {
            each.node: number for number, each in enumerate(self._others.told_of(self._ancestors if is_quiet else ()))
        }
        in_order = sorted(
            self._others.usable(now),
            key=lambda each: (first.get(each.node, len(first)), self._order.distance(each.node)),
        )
        usable = in_order[: ASK_AT_ONCE if self._asked_all else ASK_WHEN_SUSPECT if is_quiet else ASK_WHILE_WELL]
        source = self.followed
        if source is not None and source not in usable and not self._others.is_distrusted(source.node):
            usable.append(source)
        self._asked_at = self._weighed_at = now
        if not usable:
            return self._decide(now)
        # Who has yet to find its place would go to the registry beside somebody that is slow to answer.
        self._asking = Asking((each.node for each in usable), now, is_urgent=self.offset > 0)
        self._comparing.clear()
        return [Ask(tuple(usable))]

    def _decide(self, now: float) -> list[Command]:
        self._asking = None
        if now - self._came_at >= GIVE_UP:
            return [Fail(self._failure or self._stalled(now))]
        match self.source:
            case None:
                return self._choose(now)
            case Neighbour() as source:
                return self._reconsider(source, now)
            case _:
                return self._yield_to_another_head(now)

    def _choose(self, now: float) -> list[Command]:
        ahead, level = self._others.ahead(self.offset, now), self._level(now)
        if candidates := ahead or level:
            # Who takes the place of a node that is gone leaves all others theirs.
            next_one = next((each for each in self._ancestors if each in ahead or each in level), None)
            # If the end of the chain cannot be found, better two followers than none.
            free = [each for each in candidates if not self._others.is_full(each.node, now)]
            if next_one is not None and not self._others.is_full(next_one.node, now):
                return self._go(Follow(next_one), now)
            is_newcomer = self.offset == 0 and len(self.known) >= CROWD
            preference = self._nearness_to_front if is_newcomer else self._preference
            return self._go(Follow(min(free or candidates, key=preference), insist=not free), now)
        if self.is_entering:
            return []
        if self.has_origin:
            return self._go(GoUpstream(), now)
        if self._others.answering(now) and now - self._moved_at < WITHOUT_REGISTRY:
            return []  # one of them may get ahead
        return [Fail(self._failure or self._stalled(now))]

    def _reconsider(self, source: Neighbour, now: float) -> list[Command]:
        quiet = now - self._moved_at
        ahead = [each for each in self._others.ahead(self.offset, now) if each != source]
        standing = self._others.standing(source)
        is_gone = standing is None and self._is_suspect(now)
        if quiet < STALLED and not is_gone:
            return self._leave_if_slow(source, ahead, now)
        promised, promised_at = self._promised
        if standing is not None and promised > self.offset and now - promised_at < ON_THE_WAY:
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
            return self._go(Follow(min(ahead, key=self._preference), insist=True), now)
        if not self.has_origin or quiet < self._turn(now):
            return []
        self._heads.relieve(source, standing.offset)
        return self._go(GoUpstream(), now)

    def _turn(self, now: float) -> float:
        """Return after how many quiet seconds it is this node's turn to go to the registry."""
        nearer = len(self._others.ahead(self.offset, now)) + len(self._level(now))
        is_head_there = any(self._others.of(each).place.depth == 0 for each in self._others.answering(now))
        return until_take_over(self.depth, nearer, is_head_there=is_head_there)

    def _leave_if_slow(self, source: Neighbour, ahead: Sequence[Neighbour], now: float) -> list[Command]:
        if now - self._changed_at < self._patience:
            return []
        rate = self.offset / max(now - self._began, 1.0)
        lag = max(LAG_BYTES, LAG_SECONDS * rate)
        far_ahead = [each for each in ahead if _reach(self._others.of(each)) - self.offset >= lag]
        standing = self._others.standing(source)
        is_source_far_ahead = standing and not standing.is_whole and _reach(standing) - self.offset >= lag
        if not (far_ahead or is_source_far_ahead):
            return []
        if not self._asked_all:
            return self._ask(now, all_of_them=True)  # one of them may have no follower yet
        if not is_source_far_ahead:
            # It is slow before it comes to the source. Who comes next behind the slow link goes around it, and all behind are
            # well again. That whole nodes are far ahead says nothing: they always are.
            far_ahead = [
                it for it in far_ahead if self._others.of(it).place.depth >= self.depth - 2 and not self._is_taken(it)
            ]
        if not far_ahead:
            return []
        # Should it not help, this node's own link is what is slow; then it is not tried as soon again.
        self._patience *= 2
        best = min(far_ahead, key=lambda each: (self._is_taken(each), self._preference(each)))
        return self._go(Follow(best, insist=True), now)

    def _is_taken(self, neighbour: Neighbour) -> bool:
        """Tell whether a node has all of the blob, and its follower."""
        standing = self._others.of(neighbour)
        return standing.is_whole and standing.followers > 0

    def _yield_to_another_head(self, now: float) -> list[Command]:
        """Join another chain, if its head is the one to stay."""
        other = self._heads.to_join(self.offset, now, is_stuck=now - self._moved_at >= STALLED)
        return self._go(Follow(other), now) if other else []

    def _has_stopped(self, now: float) -> bool:
        """Tell whether a source that sent bytes, or has yet to let this node in, is to be asked now whether it is there."""
        is_expected = self.followed is not None and (not self._is_let_in or self._moved_at > self._changed_at)
        return is_expected and self._is_suspect(now) and self._asked_at < self._moved_at + SUSPECT

    def _is_suspect(self, now: float) -> bool:
        """Tell whether no byte has come for longer than it takes while all is well. Before the first one all are busy."""
        return now - self._moved_at >= (SUSPECT if self.offset else STALLED)

    def _go(self, command: Follow | GoUpstream, now: float) -> list[Command]:
        self._asking = None  # the answers that are still to come say nothing of the new source
        self._promised = 0, now
        self._ancestors = ()
        self._is_let_in = False
        match command:
            case GoUpstream():
                self.source, self.place = "upstream", Place(0, self.me)
            case Follow(neighbour):
                self.source = neighbour
                if (standing := self._others.standing(neighbour)) is not None:
                    self._heard_of_source(neighbour, standing, now)
                else:
                    self.place = Place(self.depth).behind(neighbour)  # as the one said that sent this node on
        self._insisting = isinstance(command, Follow) and command.insist
        self._moved_at = self._changed_at = now
        self._ahead_since = None
        return [command]

    def _heard_of_source(self, source: Neighbour, standing: Standing, now: float) -> None:
        before = tuple(takewhile(lambda each: each.node != self.me, standing.place.before))
        self.place, self._ancestors = standing.place._replace(before=before).behind(source), before
        if self._promised[0] <= self.offset:
            self._promised = standing.offset, now

    def _level(self, now: float) -> list[Neighbour]:
        """Return those who have as much as this node and come before it."""
        level = [each for each in self._others.answering(now) if self._others.of(each).offset == self.offset]
        return [each for each in level if self._precedes(each)]

    def _preference(self, neighbour: Neighbour) -> tuple[int, int, int]:
        standing = self._others.of(neighbour)
        return standing.followers, -standing.offset, self._order.distance(neighbour.node)

    def _nearness_to_front(self, neighbour: Neighbour) -> tuple[int, int]:
        return self._others.of(neighbour).place.depth, self._order.rank(neighbour.node)

    def _precedes(self, neighbour: Neighbour) -> bool:
        return self._nearness_to_front(neighbour) < (self.depth, self._order.rank(self.me))

    def _stalled(self, now: float) -> P2PlayerError:
        registry = "its registry or " if self.has_origin else ""
        return TransferStalled(
            f"no byte of {self.digest} has come for {now - self._came_at:.0f} s from {registry}the {len(self.known)} node(s)"
            " that fetch it",
            hint=f"see who was asked with: p2player why {self.digest}",
        )


def _reach(standing: Standing) -> int:
    """Return up to which byte a node's followers can be expected to be, given that they share its uplink."""
    return standing.offset // most_followers(standing.place.depth, standing.size)
