"""What to do next to get one blob: whom to ask, whom to believe, when to look again, when to give up.

A machine without I/O: events and the time go in, commands come out. One claim is tried at a time, since two claims with
different roots are two different swarms. A claim that turned out to be a lie bans those who made it, and the next is
tried. Claims of holders that disagree are settled before one of them is fetched (see `dispute`), and those that turn up
later while it is. Once the blob is here, all who signed another root for it are banned as well. A stall brings a new look
at who else has the blob; a longer one the missing pieces from the blob's registry, if it has one; a long one drops the claim,
and ends the hunt if there is no other.

What nobody claims to have is streamed: from its registry, or from a node that is streaming it (see `course`). So is what one
node alone has: all who want it form a chain then, where in a swarm they would ask it for the same pieces (it is a swarm after all
if nobody else turns up, and the links are fast). If that turns
out to be something else, it is streamed again without those who may have lied, at last from the registry and nobody else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Final, Literal

from p2player.errors import BlobNotFound, DigestMismatch, P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.chain.sources import OtherSize
from p2player.pull.claims import Claims
from p2player.pull.dispute import Standing, Verdict
from p2player.pull.holders import Claim, Holder
from p2player.pull.search import LIKELY_ENOUGH
from p2player.swarm.metainfo import Metainfo

LOOK_AGAIN = 5.0
"""Seconds between two looks at who has the blob while bytes arrive: others may have joined since."""
FIRST_LOOKS = (0.3, 0.7, 1.5, 3.0)
"""Seconds after each look at which the first few follow: when many nodes want a new blob at once, none of them finds the
others at its first look, and until they do, all bytes come from the one that seeded it."""
FIRST_LOOKS_STREAMING = (1.0, 2.0, 4.0)
LOOK_AGAIN_STREAMING = 10.0
"""The same for what is streamed. Of the nodes that began at once, one has found the other already; but in a large crowd there are
several, at first, that have found nobody before them."""
LOOK_AGAIN_FOLLOWING = 60.0
"""The same for what another node sends, after the first look: those who are known by then are asked themselves how far they are
(`chain.course`)."""
LIKELY_ENOUGH_STREAMING: Final = 8
"""How many are looked for then. To read on to the last of sixteen is one page after another, from each of those who keep them."""
STALLED = 1.5
"""Seconds without a byte after which it is looked again, and again every so often."""
NO_START = 8.0
"""Seconds in which not even the first byte has come after which a claim is dropped: those who make it are gone.

Where one of them is connected, and nobody else is left to ask, it is GIVE_UP: in a crowd the first bytes take their time."""
RESCUE = 3.0
"""Seconds without a byte after which a blob's registry is asked for what is missing, or for all of it if nothing came."""
MAX_RESTARTS: Final = 3
"""How often a stream that went wrong is begun anew with other nodes, before it comes from the registry and nobody else."""
FAST: Final = 48 * 1024 * 1024
"""Bytes a second from which on a stream that nobody else has a part in is limited by the two nodes, and not by their links."""
BARELY_BEGUN: Final = 8
"""Such a stream is given up for a swarm, which is easier on the nodes, while no more than one part in so many has come."""
GIVE_UP = 30.0
"""Seconds after the last byte after which a claim is dropped. Without another the runtime goes to the registry itself."""


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
    now: float
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
    _claims: Claims = field(init=False)
    _settlements: int = 0
    _settling: Literal["no", "before", "beside"] = "no"
    """Whether a dispute is under way, before anything is fetched or beside it."""
    _current: Metainfo | None = None
    _stream: Literal["possible", "running", "distrusted", "alone", "spent"] = "possible"
    _restarts: int = 0
    _streaming_since: float = 0.0
    _has_waited: bool = False
    """Whether it was waited for bytes of the stream as long as for those of a swarm."""
    _is_for_swarm: bool = False
    """Whether a stream of what one node has was given up for a swarm."""
    _is_followable: bool = False
    _rescued_at: float = 0.0
    _looking: bool = False
    _first_looks: tuple[float, ...] = FIRST_LOOKS
    _last_chance: bool = False
    _looked_at: float = 0.0
    _received_at: float = 0.0
    _started: bool = False
    _failure: P2PlayerError | None = None

    def __post_init__(self, banned: frozenset[NodeId], known_size: int | None) -> None:
        self._claims = Claims(banned, known_size)
        self._looked_at = self._received_at = self.now

    def found(self, claims: Iterable[Claim], now: float, *, followable: bool = False) -> list[Command]:
        """Take what a look has found: claims, and whether somebody is fetching the blob from its registry."""
        self._looking = False
        self._looked_at = now
        self._is_followable = followable
        fresh: list[Holder] = []
        for claim in claims:
            added = self._claims.add(claim)
            if claim.metainfo == self._current:
                fresh += added
        if self._is_streaming or self._settling == "before":
            return []
        if self._current is None:
            return self._next(now)
        commands: list[Command] = [Connect(tuple(fresh))] if fresh else []
        return [*commands, *self._settle("beside")]

    def settled(self, verdict: Verdict, now: float, *, is_final: bool) -> list[Command]:
        """Take what a dispute has come to, or, if it is not final, what it would come to if nobody else answered."""
        was_waited_for, self._settling = self._settling == "before", "no" if is_final else "beside"
        self._claims.judge(verdict.standings)
        new = verdict.refuted.keys() - self._claims.banned
        self._claims.ban(frozenset(new))
        bans: list[Command] = [Ban((node,), verdict.refuted[node]) for node in sorted(new)]
        if self._current is None:
            return [*bans, *self._next(now)] if was_waited_for else bans
        if self._is_streaming or not self._gives_way(self._current):
            return bans
        self._end_current()
        return [*bans, Drop(), *self._next(now)]

    def banned_meanwhile(self, nodes: frozenset[NodeId]) -> None:
        """Take note of who is banned by now, for whatever reason: they are not begun with any more."""
        self._claims.ban(nodes)

    def landed(self, size: int, root: bytes) -> list[Command]:
        """Take note that the blob is here, with this size and root: who signed that it has another, and all of it, lied."""
        liars = self._claims.contradicted(size, root)
        return [_ban(liars, f"announced another hash tree for {self.digest} than it has")] if liars else []

    def confirmed(self, size: int, root: bytes) -> Sequence[Holder]:
        """Return who says to have all of the blob, rightly, as it has this size and root."""
        return self._claims.confirmed(size, root)

    def whole(self) -> Sequence[Holder]:
        """Return who says to have all of the blob, rightly or not."""
        return self._claims.whole()

    def received(self, now: float) -> None:
        """Take note that bytes have arrived."""
        self._received_at = now
        self._started = True

    def streamed(self, done: int, now: float, *, is_alone: bool) -> list[Command]:
        """Take how many bytes have come by a stream, and whether it is all between this node and the one that has the blob."""
        claims = self._claims.usable()
        if not (is_alone and self._stream == "running" and claims) or done * BARELY_BEGUN > claims[0].metainfo.size:
            return []
        if done < FAST * max(now - self._streaming_since, 0.2):
            return []
        self._stream, self._is_for_swarm = "possible", True
        return [Drop(), *self._next(now)]

    def lied(self, now: float, *, was_relayed: bool = False) -> list[Command]:
        """Take note that what was fetched is not the blob. Of a claim, all who said they have it are banned.

        Those who only said that they are fetching it were lied to as well. What was streamed is tried again if it, or some of
        it, was_relayed by other nodes; who of them lied is found out by `chain.trust`.
        """
        if self._is_streaming:
            self._failure = DigestMismatch(f"what came from the registry as {self.digest} is something else")
            if not was_relayed or self._stream == "alone":
                self._stream = "spent"
            else:
                self._restarts += 1
                is_last = self._restarts > MAX_RESTARTS
                self._stream = "possible" if not is_last else "distrusted" if self.has_origin else "spent"
            return self._next(now)
        self._failure = None
        liars = self._claims.refuse(self._end_current())
        return [_ban(liars, f"announced other bytes as {self.digest}"), *self._next(now)]

    def doubted(self, now: float) -> list[Command]:
        """Take note that the registry has other bytes than come by the current claim: now it is asked for all of them first."""
        if self._current is None or self._claims.is_doubted(self._current):
            return []
        self._claims.doubt(self._end_current())
        return [Drop(), *self._next(now)]

    def failed(self, error: P2PlayerError, now: float) -> list[Command]:
        """Take note that those who make the current claim cannot be fetched from; error is why."""
        self._failure = error
        if self._is_streaming:
            # Those who said another size than the registry are tried after it, with the size that it says.
            is_news = isinstance(error, OtherSize) and self._claims.learn_size(error.size)
            self._stream = "possible" if is_news else "spent"
            self._has_waited = now - self._received_at >= NO_START
            return self._next(now)
        self._claims.fail(self._end_current())
        return self._next(now)

    def _end_current(self) -> Metainfo:
        if self._current is None:
            raise RuntimeError("nothing is being fetched")
        current, self._current = self._current, None
        return current

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        quiet = now - self._received_at
        if self._current is not None:
            if quiet >= self._patience():
                return [Drop(), *self.failed(self._stalled(quiet), now)]
            if self.has_origin and quiet >= RESCUE and now - self._rescued_at >= RESCUE:
                self._rescued_at = now
                return [Rescue()]
        if self._looking:
            return []
        patience = self._between_looks
        if quiet >= STALLED:
            patience = min(patience, STALLED)
        return self._look() if now - self._looked_at >= patience else []

    @property
    def _between_looks(self) -> float:
        if self.is_following and self._first_looks != FIRST_LOOKS_STREAMING:
            return LOOK_AGAIN_FOLLOWING
        if self._first_looks:
            return self._first_looks[0]
        return LOOK_AGAIN_STREAMING if self._is_streaming else LOOK_AGAIN

    def _patience(self) -> float:
        """Return after how many seconds without a byte the current claim is dropped."""
        if self._started:
            return GIVE_UP
        if self.has_origin:
            return RESCUE
        if self._has_waited:
            return NO_START
        # Many who begin at once share one uplink, or wait for their turn.
        return GIVE_UP if self.is_answered and len(self._claims.usable()) == 1 else NO_START

    def _next(self, now: float) -> list[Command]:
        # Who says another size than is known is tried after the registry: it may lie to keep others from asking that.
        is_registry_left = self.has_origin and self._stream != "spent"
        if claims := self._claims.usable(of_known_size=is_registry_left):
            if settling := self._settle("before"):
                return settling
            claim = claims[0]
            is_doubted = self._claims.is_doubted(claim.metainfo) and self.has_origin and self._stream == "possible"
            if is_doubted or self._goes_by_chain(claims):
                return self._begin_stream("running", now, None if is_doubted else claim.metainfo.size)
            self._current = claim.metainfo
            self._last_chance = False
            self._received_at = now
            self._started = False
            return [Begin(claim)]
        if self._stream in {"possible", "distrusted"} and (self.has_origin or self._is_followable):
            return self._begin_stream("alone" if self._stream == "distrusted" else "running", now)
        if self._last_chance:
            return [GiveUp(self._failure or self._not_found())]
        self._last_chance = True
        return [] if self._looking else self._look()

    def _goes_by_chain(self, claims: Sequence[Claim]) -> bool:
        if self._stream != "possible" or self._is_for_swarm or len(claims) > 1:
            return False
        return claims[0].is_of_one and claims[0].metainfo.size > SMALL_BLOB

    def _begin_stream(self, how: Literal["running", "alone"], now: float, size: int | None = None) -> list[Command]:
        self._stream = how
        self._streaming_since = now
        self._last_chance = False
        self._received_at = now
        self._first_looks = FIRST_LOOKS_STREAMING
        return [Stream(alone=how == "alone", size=size)]

    @property
    def _is_streaming(self) -> bool:
        return self._stream in {"running", "alone"}

    def _settle(self, when: Literal["before", "beside"]) -> list[Command]:
        if self._settling != "no" or not self.can_settle or self._settlements == _MAX_SETTLEMENTS:
            return []
        if disputed := self._claims.disputed():
            self._settling = when
            self._settlements += 1
            return [Settle(disputed)]
        return []

    def _gives_way(self, current: Metainfo) -> bool:
        """Tell whether what is being fetched is given up: it is refuted and another is not, or nothing of it has come yet."""
        if not self._claims.useful(current):
            return True
        best = self._claims.usable()[0].metainfo
        standing = self._claims.standing(current)
        is_doubtful = standing is Standing.REFUTED or not self._started
        return is_doubtful and self._claims.standing(best) > standing

    def _look(self) -> list[Command]:
        self._looking = True
        self._first_looks = self._first_looks[1:]
        return [Look(LIKELY_ENOUGH_STREAMING if self._is_streaming else len(self._claims) + LIKELY_ENOUGH)]

    def _stalled(self, quiet: float) -> P2PlayerError:
        count = self._claims.count(self._current) if self._current else 0
        return TransferStalled(
            f"no byte of {self.digest} has come from {count} node(s) for {quiet:.0f} s",
            hint=f"see who was asked with: p2player why {self.digest}",
        )

    def _not_found(self) -> P2PlayerError:
        if self._claims.is_any_refused:
            return TransferStalled(f"no node that announces {self.digest} has it: what was fetched was something else")
        return BlobNotFound(
            f"no node announces {self.digest}", hint="is the node that seeded it running? see: p2player peers"
        )


def _ban(nodes: Iterable[NodeId], reason: str) -> Ban:
    return Ban(tuple(sorted(nodes)), reason)
