"""Who is right when holders claim different hash trees for one digest: decided by one piece, before the blob is fetched.

A machine without I/O: what was asked and answered goes in, what to ask next comes out. All claims' holders are asked for
evidence (peer/evidence.py) at the same time. While two tell different things, both are asked for the piece at which they
part: who has the blob can show it, and who has not cannot, without finding two inputs by which SHA-256 leads to one
state. One that is told by nobody else must at least lead to the digest, so its last piece is asked for.

Whoever signs what it cannot have seen is refuted: evidence of another tree than it announced, or a piece that is not the
one of its evidence. No answer refutes nobody, since honest nodes may be slow or gone; the claim is only tried later.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from p2player.peer.evidence import Evidence
from p2player.peer.identity import NodeId
from p2player.pull.fetch.holders import Claim, Holder
from p2player.swarm.metainfo import Metainfo

_AT_ONCE: Final = 3
"""How many holders of one claim are asked at a time, or speak for it."""


@dataclass(frozen=True, slots=True)
class AskEvidence:
    """Ask a holder what it has to say for its claim."""

    metainfo: Metainfo
    holder: Holder


@dataclass(frozen=True, slots=True)
class AskPiece:
    """Ask a holder for a piece of the blob, to be shown by its evidence."""

    evidence: Evidence
    holder: Holder
    index: int


Question = AskEvidence | AskPiece


class Standing(IntEnum):
    """How a claim has come out of a dispute; more is better."""

    REFUTED = 0
    """Some who made it are liars, and nobody has spoken well for it."""
    UNHEARD = 1
    HEARD = 2
    """Somebody speaks for it who has not failed to show a piece."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known: which nodes lied, by what they signed, and how each claim stands."""

    refuted: Mapping[NodeId, str]
    standings: Mapping[Metainfo, Standing]


@dataclass(slots=True)
class Dispute:
    """One dispute over one digest. Holders without a node id or a peer interface, and partial ones, are not asked."""

    claims: Iterable[Claim]
    _refuted: dict[NodeId, str] = field(default_factory=dict)
    _lost: set[Metainfo] = field(default_factory=set)
    _waiting: dict[Metainfo, list[Holder]] = field(default_factory=dict)
    _asked: Counter[Metainfo] = field(default_factory=Counter)
    _told: dict[Evidence, tuple[Metainfo, list[Holder]]] = field(default_factory=dict)
    """Those who speak, by what they say."""
    _trial: dict[Evidence, int] = field(default_factory=dict)
    """What has to be shown just now, and by which piece."""
    _tried: set[Evidence] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._waiting = {claim.metainfo: [*filter(can_be_asked, claim.holders)] for claim in self.claims}

    def begin(self) -> list[Question]:
        """Return the first questions. When all questions are answered, there are no more."""
        return [question for metainfo in self._waiting for question in self._ask_more(metainfo)]

    def told(self, question: AskEvidence, evidence: Evidence | None) -> list[Question]:
        """Take what a holder has signed as evidence, or that it has not answered."""
        metainfo, holder = question.metainfo, question.holder
        self._asked[metainfo] -= 1
        if evidence is not None:
            if not evidence.is_sound or (evidence.size, evidence.root) != (metainfo.size, metainfo.root):
                self._refute(holder, metainfo, "announced another hash tree than its evidence is about")
            else:
                self._told.setdefault(evidence, (metainfo, []))[1].append(holder)
        return [*self._ask_more(metainfo), *self._try()]

    def shown(self, question: AskPiece, is_right: bool | None) -> list[Question]:
        """Take whether the piece that a holder has signed is the one of its evidence; None if it has not answered."""
        evidence, holder = question.evidence, question.holder
        if is_right:
            del self._trial[evidence]
            self._tried.add(evidence)
            return self._try()
        metainfo, speakers = self._told[evidence]
        speakers.remove(holder)
        if is_right is False:
            self._refute(holder, metainfo, "showed other bytes than its evidence is about")
        if speakers:
            return [*self._ask_more(metainfo), AskPiece(evidence, speakers[0], question.index)]
        del self._trial[evidence], self._told[evidence]
        return [*self._ask_more(metainfo), *self._try()]

    @property
    def is_any_heard(self) -> bool:
        """Whether somebody has spoken, and has not failed."""
        return bool(self._told)

    @property
    def verdict(self) -> Verdict:
        """What is known by now."""
        standings = {metainfo: self._standing(metainfo) for metainfo in self._waiting}
        return Verdict(dict(self._refuted), standings)

    def _standing(self, metainfo: Metainfo) -> Standing:
        if any(spoken_for == metainfo for spoken_for, _ in self._told.values()):
            return Standing.HEARD
        return Standing.REFUTED if metainfo in self._lost else Standing.UNHEARD

    def _refute(self, holder: Holder, metainfo: Metainfo, reason: str) -> None:
        self._lost.add(metainfo)
        if holder.node:
            self._refuted[holder.node] = f"{reason}, for {metainfo.digest}"

    def _ask_more(self, metainfo: Metainfo) -> list[Question]:
        speaking = sum(len(speakers) for spoken_for, speakers in self._told.values() if spoken_for == metainfo)
        count = max(_AT_ONCE - speaking - self._asked[metainfo], 0)
        asked, self._waiting[metainfo] = self._waiting[metainfo][:count], self._waiting[metainfo][count:]
        self._asked[metainfo] += len(asked)
        return [AskEvidence(metainfo, holder) for holder in asked]

    def _try(self) -> list[Question]:
        """Return what has to be shown next, if nothing has to be just now."""
        if self._trial:
            return []
        match list(self._told):
            case [one, other, *_]:
                self._trial = dict(zip((one, other), one.places_of_dispute(other), strict=True))
            case [one] if one not in self._tried and not self._asked.total():
                self._trial = {one: one.count - 1}
        return [AskPiece(evidence, self._told[evidence][1][0], index) for evidence, index in self._trial.items()]


def can_be_asked(holder: Holder) -> bool:
    """Tell whether a holder can be asked for evidence: it says that it has all, and it is a node."""
    return holder.complete and holder.node is not None and holder.http is not None
