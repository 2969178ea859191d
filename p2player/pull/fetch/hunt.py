"""What to do next to get one blob: whom to ask, whom to believe, when to look again, when to give up.

A machine without I/O: events and the time go in, commands come out. One claim is tried at a time, since two claims with
different roots are two different swarms. A claim that turned out to be a lie bans those who made it, and the next is
tried. Claims of holders that disagree are settled before one of them is fetched (see `dispute`), and those that turn up
later while it is. Once the blob is here, all who signed another root for it are banned as well. A stall brings a new look
at who else has the blob; a longer one the missing pieces from the blob's registry, if it has one; a long one drops the claim,
and ends the hunt if there is no other.

What nobody claims to have is streamed: from its registry, or from a node that is streaming it (see `course`). So is what one
node alone has: all who want it form a chain then, where in a swarm they would ask it for the same pieces (it is a swarm after all
if nobody else turns up, and the links are fast). And so is what no more nodes have than are streaming it: a swarm would take the
uplinks of those who have it from those who follow them. If that turns out to be something else, it is streamed again without those who
may have lied, at last from the registry and nobody else.

What is known of claims is kept by `claims`, what becomes of streams by `streams`, and how long each thing is waited for by `pace`.
"""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from typing import Final, Literal

from p2player.errors import BlobNotFound, DigestMismatch, P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.chain.sources import OtherSize
from p2player.pull.fetch.claims import Claims
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.fetch.pace import Pace
from p2player.pull.fetch.search import LIKELY_ENOUGH, LIKELY_ENOUGH_STREAMING
from p2player.pull.fetch.streams import Streams
from p2player.pull.integrity.dispute import Standing, Verdict
from p2player.swarm.metainfo import Metainfo


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the DHT who has the blob: for this many holders, some of whom may be known already."""

    want: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Fetch by this claim, from those who make it."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Settle:
    """Find out which of these claims can be shown."""

    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """Fetch from the registry or from those who do; if alone, from nobody but the registry."""

    alone: bool
    size: int | None = None
    """Bytes in the blob by the claim of the one node that has it all, if that one is followed."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """Fetch the pieces that are missing from the registry, as long as no others come."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Stop fetching."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Fetch from these too."""

    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Ban:
    """Never again believe these: each of them did what the reason says."""

    nodes: tuple[NodeId, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing more can be done."""

    error: P2PlayerError


Command = Look | Settle | Begin | Stream | Rescue | Drop | Connect | Ban | GiveUp

_MAX_SETTLEMENTS: Final = 3
"""How many disputes are held for one blob: whoever makes up a new claim each second must not hold it up each time."""


@dataclass(slots=True)
class Hunt:
    """The hunt for one digest. Times are seconds of any clock that does not go back."""

    digest: Digest
    banned: InitVar[frozenset[NodeId]]
    now: InitVar[float]
    has_origin: bool = False
    """Whether there is a registry that has it."""
    is_answered: bool = False
    """Whether one of those it is being fetched from is connected."""
    is_following: bool = False
    """Whether what is streamed comes from another node just now."""
    can_settle: bool = False
    """Whether evidence can be judged here."""
    known_size: InitVar[int | None] = None
    """Bytes in the blob by its manifest or registry."""
    claims: Claims = field(init=False)
    _pace: Pace = field(init=False)
    _streams: Streams = field(default_factory=Streams)
    _settlements: int = 0
    _settling: Literal["no", "before", "beside"] = "no"
    """Whether a dispute is under way, before anything is fetched or beside it."""
    _current: Metainfo | None = None
    _streaming: int = 0
    """How many are streaming the blob, as the last look has found."""
    _last_chance: bool = False
    _failure: P2PlayerError | None = None

    def __post_init__(self, banned: frozenset[NodeId], now: float, known_size: int | None) -> None:
        self.claims = Claims(banned, known_size)
        self._pace = Pace(now)

    def found(self, claims: Iterable[Claim], now: float, *, streaming: int = 0) -> list[Command]:
        """Take what a look has found: claims, and how many are streaming the blob."""
        self._pace.looked(now)
        self._streaming = streaming
        fresh: list[Holder] = []
        for claim in claims:
            added = self.claims.add(claim)
            if claim.metainfo == self._current:
                fresh += added
        if self._streams.is_running or self._settling == "before":
            return []
        if self._current is None:
            return self._next(now)
        commands: list[Command] = [Connect(tuple(fresh))] if fresh else []
        return [*commands, *self._settle("beside")]

    def settled(self, verdict: Verdict, now: float, *, is_final: bool) -> list[Command]:
        """Take what a dispute has come to, or, if it is not final, what it would come to if nobody else answered."""
        was_waited_for, self._settling = self._settling == "before", "no" if is_final else "beside"
        self.claims.judge(verdict.standings)
        new = verdict.refuted.keys() - self.claims.banned
        self.claims.ban(frozenset(new))
        bans: list[Command] = [Ban((node,), verdict.refuted[node]) for node in sorted(new)]
        if self._current is None:
            return [*bans, *self._next(now)] if was_waited_for else bans
        if self._streams.is_running or not self._gives_way(self._current):
            return bans
        self._end_current()
        return [*bans, Drop(), *self._next(now)]

    def banned_meanwhile(self, nodes: frozenset[NodeId]) -> None:
        """Take note of who is banned by now, for whatever reason: they are not begun with any more."""
        self.claims.ban(nodes)

    def landed(self, size: int, root: bytes) -> list[Command]:
        """Take note that the blob is here, with this size and root: who signed that it has another, and all of it, lied."""
        liars = self.claims.contradicted(size, root)
        return [_ban(liars, f"announced another hash tree for {self.digest} than it has")] if liars else []

    def received(self, now: float) -> None:
        """Take note that bytes have arrived."""
        self._pace.received(now)

    def streamed(self, done: int, now: float, *, is_alone: bool) -> list[Command]:
        """Take how many bytes have come by a stream, and whether it is all between this node and the one that has the blob."""
        claims = self.claims.usable()
        if is_alone and claims and self._streams.give_way(done, claims[0].metainfo.size, now):
            return [Drop(), *self._next(now)]
        return []

    def lied(self, now: float, *, was_relayed: bool = False) -> list[Command]:
        """Take note that what was fetched is not the blob. Of a claim, all who said they have it are banned.

        Those who only said that they are fetching it were lied to as well. What was streamed is tried again if it, or some of
        it, was_relayed by other nodes; who of them lied is found out by `chain.trust`.
        """
        if self._streams.is_running:
            self._failure = DigestMismatch(f"what came from the registry as {self.digest} is something else")
            self._streams.lied(was_relayed=was_relayed, has_origin=self.has_origin)
            return self._next(now)
        self._failure = None
        liars = self.claims.refuse(self._end_current())
        return [_ban(liars, f"announced other bytes as {self.digest}"), *self._next(now)]

    def doubted(self, now: float) -> list[Command]:
        """Take note that the registry has other bytes than come by the current claim: now it is asked for all of them first."""
        if self._current is None or self.claims.is_doubted(self._current):
            return []
        self.claims.doubt(self._end_current())
        return [Drop(), *self._next(now)]

    def failed(self, error: P2PlayerError, now: float) -> list[Command]:
        """Take note that those who make the current claim cannot be fetched from; error is why."""
        self._failure = error
        if self._streams.is_running:
            # Those who said another size than the registry are tried after it, with the size that it says.
            is_news = isinstance(error, OtherSize) and self.claims.learn_size(error.size)
            self._streams.failed(has_news=is_news)
            self._pace.stream_failed(now)
            return self._next(now)
        self.claims.fail(self._end_current())
        return self._next(now)

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        if self._current is not None:
            is_last = self.is_answered and len(self.claims.usable()) == 1
            if self._pace.quiet(now) >= self._pace.patience(has_origin=self.has_origin, is_last=is_last):
                return [Drop(), *self.failed(self._stalled(self._pace.quiet(now)), now)]
            if self.has_origin and self._pace.must_rescue(now):
                return [Rescue()]
        is_due = self._pace.must_look(now, is_streaming=self._streams.is_running, is_following=self.is_following)
        return self._look() if is_due else []

    def _end_current(self) -> Metainfo:
        if self._current is None:
            raise RuntimeError("nothing is being fetched")
        current, self._current = self._current, None
        return current

    def _next(self, now: float) -> list[Command]:
        # Who says another size than is known is tried after the registry: it may lie to keep others from asking that.
        is_registry_left = self.has_origin and not self._streams.is_spent
        if claims := self.claims.usable(of_known_size=is_registry_left):
            if settling := self._settle("before"):
                return settling
            claim = claims[0]
            is_doubted = self.claims.is_doubted(claim.metainfo) and self.has_origin and self._streams.is_possible
            if is_doubted or self._streams.suit(claims, self._streaming):
                return self._begin_stream(now, None if is_doubted else claim.metainfo.size)
            self._current = claim.metainfo
            self._last_chance = False
            self._pace.begin_claim(now)
            return [Begin(claim)]
        if self._streams.is_left and (self.has_origin or self._streaming):
            return self._begin_stream(now)
        if self._last_chance:
            return [GiveUp(self._failure or self._not_found())]
        self._last_chance = True
        return [] if self._pace.is_looking else self._look()

    def _begin_stream(self, now: float, size: int | None = None) -> list[Command]:
        self._last_chance = False
        self._pace.begin_stream(now)
        return [Stream(alone=self._streams.begin(now), size=size)]

    def _settle(self, when: Literal["before", "beside"]) -> list[Command]:
        if self._settling != "no" or not self.can_settle or self._settlements == _MAX_SETTLEMENTS:
            return []
        if disputed := self.claims.disputed():
            self._settling = when
            self._settlements += 1
            return [Settle(disputed)]
        return []

    def _gives_way(self, current: Metainfo) -> bool:
        """Tell whether what is being fetched is given up: it is refuted and another is not, or nothing of it has come yet."""
        if not self.claims.useful(current):
            return True
        best = self.claims.usable()[0].metainfo
        standing = self.claims.standing(current)
        is_doubtful = standing is Standing.REFUTED or not self._pace.has_started
        return is_doubtful and self.claims.standing(best) > standing

    def _look(self) -> list[Command]:
        self._pace.look()
        return [Look(LIKELY_ENOUGH_STREAMING if self._streams.is_running else len(self.claims) + LIKELY_ENOUGH)]

    def _stalled(self, quiet: float) -> P2PlayerError:
        count = self.claims.count(self._current) if self._current else 0
        return TransferStalled(
            f"no byte of {self.digest} has come from {count} node(s) for {quiet:.0f} s",
            hint=f"see who was asked with: p2player why {self.digest}",
        )

    def _not_found(self) -> P2PlayerError:
        if self.claims.is_any_refused:
            return TransferStalled(f"no node that announces {self.digest} has it: what was fetched was something else")
        return BlobNotFound(
            f"no node announces {self.digest}", hint="is the node that seeded it running? see: p2player peers"
        )


def _ban(nodes: Iterable[NodeId], reason: str) -> Ban:
    return Ban(tuple(sorted(nodes)), reason)
