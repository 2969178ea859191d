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
from typing import Final, Literal

from p2player.dht.records import key_of_digest
from p2player.errors import P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NODE_ID_BYTES, NodeId
from p2player.peer.relay import Neighbour, Standing
from p2player.peer.shape import NO_SOURCE, most_followers
from p2player.pull.chain.sources import ANSWER_WITHIN

ASK_AT_ONCE: Final = 16
CROWD: Final = 16
"""Of so many, whoever comes asks the one at the front for its place: it knows best how many there are."""
ASK_WHILE_WELL: Final = 3
"""How many are asked while bytes come: enough to notice that others are far ahead."""
WEIGH: Final = 10.0
"""Seconds after which a node that follows another asks a few whether they are far ahead of it."""
COMPARE: Final = 5.0
"""Seconds after which a node that follows another asks a third one whether it has the same bytes."""
UNPLACED: Final = 0.25
"""Seconds after which a node asks its source again that does not know yet how far it is from the registry."""
ON_THE_WAY: Final = 0.5
"""Seconds that bytes may be on the way which the source has."""
STALLED: Final = 1.5
"""Seconds without a byte after which all are asked again."""
TAKE_OVER: Final = 3.0
"""Seconds without a byte, with nobody ahead, after which the nearest to the head goes to the registry itself; each node
behind it waits a second more, so that one goes and not all."""
TAKE_OVER_FROM_HEAD: Final = 8.0
"""The same while the head answers: it is the registry that is slow then."""
HOP: Final = 0.25
"""Seconds that the first bytes may take over each node of a chain: a segment of each layer over a link, and the work on it."""
HOPS: Final = 12.0
"""Seconds that they may take over all nodes before this one, however many it is told there are."""
WITHOUT_REGISTRY: Final = 2 * TAKE_OVER_FROM_HEAD
"""Seconds without a byte after which a node fails that has no source and no registry, while others answer. It is longer than
those who had it as their head wait, so that one of them can get ahead; several of them, should the registry fail some."""
GIVE_UP: Final = 30.0
"""Seconds without a byte after which it fails, so that the runtime goes elsewhere, though its source still answers."""
SHUN: Final = 10.0
"""Seconds for which a node is not followed again that has failed."""
SHUN_SILENT: Final = 2.0
"""Seconds for which a node is not asked again that gave no answer."""
AHEAD: Final = 4 * 1024 * 1024
"""Bytes by which another chain has to be ahead for a head to join it that would otherwise be the one to stay; and half of them, or of
what is here, by which it may be behind for one that would not."""
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
    depth: int = NO_SOURCE
    head: NodeId | None = None
    """Which node it comes from in the end, over all others; None while that is not known."""
    source: Source | None = None
    is_entering: bool = False
    """Whether it is not known yet who else is at it: nobody goes to the registry, or gives up, before that."""
    _known: dict[NodeId, Neighbour] = field(default_factory=dict)
    _standing: dict[NodeId, Standing] = field(default_factory=dict)
    _pending: set[NodeId] = field(default_factory=set)
    _shunned: dict[NodeId, float] = field(default_factory=dict)
    _silent: dict[NodeId, float] = field(default_factory=dict)
    """Those of the shunned that have given no answer, though they are connected."""
    _distrusted: set[NodeId] = field(default_factory=set)
    _full: dict[NodeId, float] = field(default_factory=dict)
    _insisting: bool = False
    _asked_all: bool = False
    _comparing: set[NodeId] = field(default_factory=set)
    _compared: int = 0
    _promised: tuple[int, float] = 0, 0.0
    """How many bytes the source said that it has, and when."""
    _before: Neighbour | None = None
    """Whom the source takes it from, as it has said: who is followed next should the source be gone."""
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

    _place: bytes = field(init=False)
    """That of the digest on the ring of node ids."""

    def __post_init__(self) -> None:
        self._place = key_of_digest(self.digest)
        self._asked_at = self._weighed_at = self._moved_at = self._came_at = self._began = self._changed_at = self.now

    @property
    def known(self) -> Mapping[NodeId, Neighbour]:
        """All others that fetch the blob or have it, as far as this node has heard."""
        return self._known

    @property
    def followed(self) -> Neighbour | None:
        """The source, if it is another node."""
        return self.source if isinstance(self.source, Neighbour) else None

    @property
    def is_behind_whole(self) -> bool:
        """Whether the source has all of the blob."""
        standing = self._standing.get(self.source.node) if isinstance(self.source, Neighbour) else None
        return standing is not None and standing.is_whole

    def take_up(self, command: Follow | GoUpstream, now: float) -> list[Command]:
        """Begin with this, as was found out before."""
        if isinstance(command, Follow):
            self._known.setdefault(command.neighbour.node, command.neighbour)
            return self._go(command, now)
        return self._go(command, now) if self.has_origin else self._ask(now)

    def sighted(self, neighbours: Iterable[Neighbour], now: float) -> list[Command]:
        """Take what a look has found: those who are fetching the blob or have it. They are asked how far they are."""
        self._known.update((each.node, each) for each in neighbours if each.node != self.me)
        return self._ask(now)

    def answered(self, node: NodeId, standing: Standing | None, now: float) -> list[Command]:
        """Take a node's answer; None: it gave none, or has nothing of the blob."""
        if standing is not None and isinstance(self.source, Neighbour) and self.source.node == node:
            self._heard_of_source(standing, now)
        if node in self._comparing:
            # Only what it has was asked: the others, whose answers are old by now, are no ground to decide anything.
            self._comparing.discard(node)
            return []
        self._pending.discard(node)
        if standing is None:
            self._shun(node, now + SHUN_SILENT)
        else:
            self._standing[node] = standing
        return [] if self._pending else self._decide(now)

    def let_in(self, standing: Standing, now: float) -> None:
        """Take note that the source lets this node follow, and how far it is."""
        if isinstance(self.source, Neighbour):
            self._standing[self.source.node] = standing
            self._heard_of_source(standing, now)

    def sent_on(self, instead: Sequence[Neighbour], depth: int, now: float) -> list[Command]:
        """Take note that the node that was to be followed has its follower and names others instead, the first at that depth.

        Where a node is to be found, it says best itself: an address that others tell is good for nodes not sighted yet.
        """
        was, self.source = self.source, None
        if isinstance(was, Neighbour):
            if self._insisting:
                self._shun(was.node, now + SHUN_SILENT)
            self._full[was.node] = now + SHUN_SILENT
        others = [each for each in instead if each.node != self.me and each.node not in self._distrusted]
        further = [self._known.setdefault(each.node, each) for each in others]
        if further and isinstance(was, Neighbour) and all(self._silent.get(it.node, now) > now for it in further):
            # What follows there has just given no answer, and keeps the place for as long as its connection lasts.
            return self._go(Follow(was, insist=True), now)
        if unasked := [each for each in further if not self._is_full(each, now)]:
            self.depth = depth
            return self._go(Follow(unasked[0]), now)  # and so on to the end of the chain
        return self._choose(now)

    def ended(self, error: P2PlayerError | None, now: float, *, shun: float = SHUN) -> list[Command]:
        """Take note that no more comes from the source; error is why, None if it had sent all it has.

        A node is not followed again for `shun` seconds.
        """
        was, self.source = self.source, None
        if isinstance(was, Neighbour):
            self._shun(was.node, now + shun)
        elif was == "upstream":
            self.has_origin = False
            self._failure = error
        return self._ask(now)

    def distrust(self, node: NodeId) -> None:
        """Take note that a node has sent, or signed, what cannot be right: it is never followed again."""
        self._distrusted.add(node)

    def moved(self, offset: int, now: float) -> None:
        """Take note that the blob is here up to offset."""
        self.offset = offset
        self._moved_at = self._came_at = now
        self._ahead_since = None

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        if self._pending:
            if now - self._asked_at < ANSWER_WITHIN:
                return []
            for node in tuple(self._pending):
                self._shun(node, now + SHUN_SILENT)
                self._silent[node] = now + SHUN
            self._pending.clear()
            return self._decide(now)
        pause = STALLED if self._promised[0] <= self.offset else ON_THE_WAY
        if (self.source is None or now - self._moved_at >= STALLED) and now - self._asked_at >= pause:
            return self._ask(now)
        return self._mind(self.source, now) if isinstance(self.source, Neighbour) else []

    def _mind(self, source: Neighbour, now: float) -> list[Command]:
        """Ask, now and then, what may have changed while bytes come."""
        if self.depth > NO_SOURCE and now - self._asked_at >= UNPLACED:
            return self._ask_only(source, now)  # it has found somebody since, or will soon
        if now - self._weighed_at >= WEIGH:
            return self._ask(now)
        return self._compare(now) if now - self._asked_at >= COMPARE else []

    def _compare(self, now: float) -> list[Command]:
        """Ask one more node, each time another, but none of those behind this one: they have what they have from here."""
        others = [each for each in self._usable(now) if each != self.source]
        before = [each for each in others if each.node in self._standing and self._of(each).depth <= self.depth]
        if not (before or others):
            self._asked_at = now
            return []
        self._compared += 1
        return self._ask_only(sorted(before or others, key=self._distance)[self._compared % len(before or others)], now)

    def _ask_only(self, neighbour: Neighbour, now: float) -> list[Command]:
        """Ask one node what it has, and decide nothing by its answer."""
        self._asked_at = now
        self._comparing.add(neighbour.node)
        return [Ask((neighbour,))]

    def _ask(self, now: float, *, all_of_them: bool = False) -> list[Command]:
        if self._pending:
            return []
        is_well = self.source is not None and now - self._moved_at < STALLED
        self._asked_all = all_of_them or not is_well
        first = self._before if self.source is None else None
        if first is not None:
            self._known.setdefault(first.node, first)
        in_order = sorted(self._usable(now), key=lambda each: (each != first, self._distance(each)))
        usable = in_order[: ASK_AT_ONCE if self._asked_all else ASK_WHILE_WELL]
        if (
            isinstance(self.source, Neighbour)
            and self.source not in usable
            and self.source.node not in self._distrusted
        ):
            usable.append(self.source)
        self._asked_at = self._weighed_at = now
        if not usable:
            return self._decide(now)
        self._pending = {each.node for each in usable}
        self._comparing.clear()
        return [Ask(tuple(usable))]

    def _decide(self, now: float) -> list[Command]:
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
        candidates = self._ahead(now) or self._level(now)
        if candidates:
            # If the end of the chain cannot be found, better two followers than none.
            free = [each for each in candidates if not self._is_full(each, now)]
            is_newcomer = self.offset == 0 and len(self._known) >= CROWD
            preference = self._nearness_to_front if is_newcomer else self._preference
            return self._go(Follow(min(free or candidates, key=preference), insist=not free), now)
        if self.is_entering:
            return []
        if self.has_origin:
            return self._go(GoUpstream(), now)
        if self._answering(now) and now - self._moved_at < WITHOUT_REGISTRY:
            return []  # one of them may get ahead
        return [Fail(self._failure or self._stalled(now))]

    def _reconsider(self, source: Neighbour, now: float) -> list[Command]:
        quiet = now - self._moved_at
        ahead = [each for each in self._ahead(now) if each != source]
        if quiet < STALLED:
            return self._leave_if_slow(source, ahead, now)
        standing = self._standing.get(source.node) if source in self._answering(now) else None
        promised, promised_at = self._promised
        if standing is not None and promised > self.offset and now - promised_at < ON_THE_WAY:
            return []
        if standing is None or standing.offset > self.offset:
            # It is gone, or has bytes that it does not send.
            self._shun(source.node, now + SHUN)
            self.source = None
            is_another_known = self._before is not None and self._before.node not in self._known
            return self._ask(now) if is_another_known else self._choose(now)
        # It waits as well: whoever follows the one that is to blame finds another source, and all behind have theirs back.
        # What others have got only now, after all have waited for it, takes its time to here as well.
        if not ahead:
            self._ahead_since = None
        elif self._ahead_since is None:
            self._ahead_since = now
        # And whoever follows the one to blame has to ask it before.
        if self._ahead_since is not None and now - self._ahead_since >= ANSWER_WITHIN + self._patience_of_depth:
            return self._go(Follow(min(ahead, key=self._preference), insist=True), now)
        return self._go(GoUpstream(), now) if self.has_origin and quiet >= self._turn(now) else []

    def _turn(self, now: float) -> float:
        """Return after how many quiet seconds it is this node's turn to go to the registry."""
        nearer = len(self._ahead(now)) + len(self._level(now))
        from_head = any(self._of(each).depth == 0 for each in self._answering(now))
        # To insist slows down one other node, to go to the registry all of them.
        return (TAKE_OVER_FROM_HEAD if from_head else TAKE_OVER) + max(nearer, 1.5 * self._patience_of_depth)

    @property
    def _patience_of_depth(self) -> float:
        """Seconds that bytes may take from the head to here, or from a node that has found nobody yet."""
        hops = self.depth - NO_SOURCE if self.depth >= NO_SOURCE else self.depth
        return min(HOP * hops, HOPS)

    def _leave_if_slow(self, source: Neighbour, ahead: Sequence[Neighbour], now: float) -> list[Command]:
        if now - self._changed_at < self._patience:
            return []
        rate = self.offset / max(now - self._began, 1.0)
        lag = max(LAG_BYTES, LAG_SECONDS * rate)
        far_ahead = [each for each in ahead if _reach(self._of(each)) - self.offset >= lag]
        standing = self._standing.get(source.node)
        is_source_far_ahead = standing and not standing.is_whole and _reach(standing) - self.offset >= lag
        if not (far_ahead or is_source_far_ahead):
            return []
        if not self._asked_all:
            return self._ask(now, all_of_them=True)  # one of them may have no follower yet
        if not is_source_far_ahead:
            # It is slow before it comes to the source. Who comes next behind the slow link goes around it, and all behind are
            # well again. That whole nodes are far ahead says nothing: they always are.
            far_ahead = [it for it in far_ahead if self._of(it).depth >= self.depth - 2 and not self._is_taken(it)]
        if not far_ahead:
            return []
        # Should it not help, this node's own link is what is slow; then it is not tried as soon again.
        self._patience *= 2
        best = min(far_ahead, key=lambda each: (self._is_taken(each), self._preference(each)))
        return self._go(Follow(best, insist=True), now)

    def _is_taken(self, neighbour: Neighbour) -> bool:
        """Tell whether a node has all of the blob, and its follower."""
        standing = self._of(neighbour)
        return standing.is_whole and standing.followers > 0

    def _yield_to_another_head(self, now: float) -> list[Command]:
        """Join another chain, whose head comes before this node or is far ahead: of two heads only one does that."""
        for each in self._answering(now):
            standing = self._of(each)
            if standing.head is None or standing.head == self.me:
                continue  # it is behind this node
            # Their answers are older than what this node has by now, so of two that are as fast each would seem behind.
            is_before = self._rank(standing.head) < self._rank(self.me)
            margin = -min(self.offset, AHEAD) // 2 if is_before else AHEAD
            if standing.offset >= self.offset + margin:
                return self._go(Follow(each), now)
        return []

    def _go(self, command: Follow | GoUpstream, now: float) -> list[Command]:
        self._promised = 0, now
        self._before = None
        match command:
            case GoUpstream():
                self.source, self.depth, self.head = "upstream", 0, self.me
            case Follow(neighbour) if neighbour.node in self._standing:
                self.source = neighbour
                self._heard_of_source(self._of(neighbour), now)
            case Follow(neighbour):
                self.source, self.depth = neighbour, self.depth + 1  # as the one said that sent this node on
        self._insisting = isinstance(command, Follow) and command.insist
        self._moved_at = self._changed_at = now
        self._ahead_since = None
        return [command]

    def _heard_of_source(self, standing: Standing, now: float) -> None:
        self.depth, self.head = standing.depth + 1, standing.head
        self._before = standing.before if standing.before and standing.before.node != self.me else None
        if self._promised[0] <= self.offset:
            self._promised = standing.offset, now

    def _usable(self, now: float) -> list[Neighbour]:
        unusable = self._distrusted | {node for node, until in self._shunned.items() if until > now}
        return [each for node, each in self._known.items() if node not in unusable]

    def _is_full(self, neighbour: Neighbour, now: float) -> bool:
        return self._full.get(neighbour.node, now) > now

    def _answering(self, now: float) -> list[Neighbour]:
        return [each for each in self._usable(now) if each.node in self._standing]

    def _ahead(self, now: float) -> list[Neighbour]:
        return [each for each in self._answering(now) if self._of(each).offset > self.offset]

    def _level(self, now: float) -> list[Neighbour]:
        """Return those who have as much as this node and come before it."""
        level = [each for each in self._answering(now) if self._of(each).offset == self.offset]
        return [each for each in level if self._precedes(each)]

    def _of(self, neighbour: Neighbour) -> Standing:
        return self._standing[neighbour.node]

    def _preference(self, neighbour: Neighbour) -> tuple[int, int, int]:
        standing = self._of(neighbour)
        return standing.followers, -standing.offset, self._distance(neighbour)

    def _nearness_to_front(self, neighbour: Neighbour) -> tuple[int, int]:
        return self._of(neighbour).depth, self._rank(neighbour.node)

    def _precedes(self, neighbour: Neighbour) -> bool:
        return self._nearness_to_front(neighbour) < (self.depth, self._rank(self.me))

    def _distance(self, neighbour: Neighbour) -> int:
        """Order nodes by how far before this node they stand in the order of ranks, those behind it last."""
        return _behind(neighbour.node.raw, self.me.raw)

    def _rank(self, node: NodeId) -> int:
        """Return what orders nodes for this digest: how far around the ring of node ids they are from its place."""
        return _behind(self._place, node.raw)

    def _shun(self, node: NodeId, until: float) -> None:
        self._standing.pop(node, None)
        self._shunned[node] = until

    def _stalled(self, now: float) -> P2PlayerError:
        registry = "its registry or " if self.has_origin else ""
        return TransferStalled(
            f"no byte of {self.digest} has come for {now - self._came_at:.0f} s from {registry}the {len(self._known)} node(s)"
            " that fetch it",
            hint=f"see who was asked with: p2player why {self.digest}",
        )


def _reach(standing: Standing) -> int:
    """Return up to which byte a node's followers can be expected to be, given that they share its uplink."""
    return standing.offset // most_followers(standing.depth, standing.size)


def _behind(first: bytes, second: bytes) -> int:
    """Return how far the second place is behind the first on the ring of node ids."""
    return (int.from_bytes(second) - int.from_bytes(first)) % (1 << 8 * NODE_ID_BYTES)
