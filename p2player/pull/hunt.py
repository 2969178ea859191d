"""What to do next to get one blob: whom to ask, whom to believe, when to look again, when to give up.

A machine without I/O: events and the time go in, commands come out. One claim is tried at a time, since two claims with
different roots are two different swarms. A claim that turned out to be a lie bans those who made it, and the next is
tried. A stall brings a new look at who else has the blob; a long one drops the claim, and ends the hunt if there is no
other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from p2player.errors import BlobNotFound, P2PlayerError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.holders import Claim, Holder
from p2player.pull.search import LIKELY_ENOUGH
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address

LOOK_AGAIN = 5.0
"""Seconds between two looks at who has the blob while bytes arrive: others may have joined since."""
FIRST_LOOKS = (0.3, 0.7, 1.5, 3.0)
"""Seconds after each look at which the first few follow: when many nodes want a new blob at once, none of them finds the
others at its first look, and until they do, all bytes come from the one that seeded it."""
STALLED = 1.5
"""Seconds without a byte after which it is looked again, and again every so often."""
NO_START = 8.0
"""Seconds in which not even the first byte has come after which a claim is dropped: those who make it are gone."""
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
class Drop:
    """Stop fetching."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Fetch from these too."""

    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Ban:
    """Never again believe these."""

    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing more can be done."""

    error: P2PlayerError


Command = Look | Begin | Drop | Connect | Ban | GiveUp


@dataclass(slots=True)
class Hunt:
    """The hunt for one digest. Times are seconds of any clock that does not go back."""

    digest: Digest
    banned: frozenset[NodeId]
    now: float
    _claims: dict[Metainfo, dict[Address, Holder]] = field(default_factory=dict)
    _refused: set[Metainfo] = field(default_factory=set)
    _failed: set[tuple[Metainfo, Address]] = field(default_factory=set)
    _current: Metainfo | None = None
    _looking: bool = False
    _first_looks: tuple[float, ...] = FIRST_LOOKS
    _last_chance: bool = False
    _looked_at: float = 0.0
    _received_at: float = 0.0
    _started: bool = False
    _failure: P2PlayerError | None = None

    def __post_init__(self) -> None:
        self._looked_at = self._received_at = self.now

    def found(self, claims: Iterable[Claim], now: float) -> list[Command]:
        """Take what a look has found."""
        self._looking = False
        self._looked_at = now
        fresh: list[Holder] = []
        for claim in claims:
            known = self._claims.setdefault(claim.metainfo, {})
            for holder in claim.holders:
                if holder.node in self.banned or known.get(holder.swarm) == holder:
                    continue
                known[holder.swarm] = holder
                if claim.metainfo == self._current:
                    fresh.append(holder)
        if self._current is None:
            return self._next(now)
        return [Connect(tuple(fresh))] if fresh else []

    def received(self, now: float) -> None:
        """Take note that bytes have arrived."""
        self._received_at = now
        self._started = True

    def lied(self, now: float) -> list[Command]:
        """Take note that the current claim, fetched whole, is not the blob: all who said they have it are banned.

        Those who only said that they are fetching it were lied to as well.
        """
        metainfo = self._end_current()
        self._refused.add(metainfo)
        holders = self._claims[metainfo].values()
        liars = frozenset(holder.node for holder in holders if holder.node and holder.complete)
        self.banned |= liars
        return [Ban(tuple(sorted(liars))), *self._next(now)]

    def failed(self, error: P2PlayerError, now: float) -> list[Command]:
        """Take note that those who make the current claim cannot be fetched from; error is why."""
        self._failure = error
        metainfo = self._end_current()
        self._failed.update((metainfo, address) for address in self._claims[metainfo])
        return self._next(now)

    def _end_current(self) -> Metainfo:
        if self._current is None:
            raise RuntimeError("nothing is being fetched")
        current, self._current = self._current, None
        return current

    def tick(self, now: float) -> list[Command]:
        """Take note that time has passed; called a few times a second."""
        quiet = now - self._received_at
        if self._current is not None and quiet >= (GIVE_UP if self._started else NO_START):
            return [Drop(), *self.failed(self._stalled(quiet), now)]
        if self._looking:
            return []
        patience = self._first_looks[0] if self._first_looks else LOOK_AGAIN
        if quiet >= STALLED:
            patience = min(patience, STALLED)
        return self._look() if now - self._looked_at >= patience else []

    def _next(self, now: float) -> list[Command]:
        claims = [Claim(metainfo, holders) for metainfo in self._claims if (holders := self._useful(metainfo))]
        if claims:
            claim = max(claims, key=lambda claim: claim.weight)
            self._current = claim.metainfo
            self._last_chance = False
            self._received_at = now
            self._started = False
            return [Begin(claim)]
        if self._last_chance:
            return [GiveUp(self._failure or self._not_found())]
        self._last_chance = True
        return [] if self._looking else self._look()

    def _useful(self, metainfo: Metainfo) -> tuple[Holder, ...]:
        if metainfo in self._refused:
            return ()
        return tuple(
            holder
            for address, holder in self._claims[metainfo].items()
            if holder.node not in self.banned and (metainfo, address) not in self._failed
        )

    def _look(self) -> list[Command]:
        self._looking = True
        self._first_looks = self._first_looks[1:]
        known = sum(map(len, self._claims.values()))
        return [Look(known + LIKELY_ENOUGH)]

    def _stalled(self, quiet: float) -> P2PlayerError:
        count = len(self._claims[self._current]) if self._current else 0
        return TransferStalled(
            f"no byte of {self.digest} has come from {count} node(s) for {quiet:.0f} s",
            hint=f"see who was asked with: p2player why {self.digest}",
        )

    def _not_found(self) -> P2PlayerError:
        if self._refused:
            return TransferStalled(f"no node that announces {self.digest} has it: what was fetched was something else")
        return BlobNotFound(
            f"no node announces {self.digest}", hint="is the node that seeded it running? see: p2player peers"
        )
