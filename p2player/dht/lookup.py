"""An iterative lookup as a machine: answers and the time go in, whom to ask next comes out (Kademlia, section 2.3).

Each candidate is NEW until asked, then ASKED; it ends ANSWERED or, at the request's time limit, FAILED. The lookup
closes in on the `width` candidates nearest to the target that have not failed, and is finished when all of them have
answered. It does not go in rounds: as soon as one answers, or is late, the next is asked.

`alpha` bounds how many are waited for at once. One that has not answered within `patience` is late: it no longer takes
one of those places nor one of the `width`, so that dead nodes cost neither time nor reach, but its answer still counts.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from p2player.dht.routing import Contact

WIDTH: Final = 8
ALPHA: Final = 4
MAX_ASKED: Final = 96
"""No lookup asks more nodes than this, whatever neighbours it is told of."""


class _State(Enum):
    NEW = auto()
    ASKED = auto()
    ANSWERED = auto()
    FAILED = auto()


@dataclass(slots=True, order=True)
class _Candidate:
    distance: int
    contact: Contact = field(compare=False)
    state: _State = field(default=_State.NEW, compare=False)
    late_at: float = field(default=0.0, compare=False)


class Lookup:
    """One search for the nodes nearest to target, starting from those already known."""

    def __init__(self, target: bytes, known: Iterable[Contact], *, width: int = WIDTH, alpha: int = ALPHA) -> None:
        self._target = int.from_bytes(target, "big")
        self._width = width
        self._alpha = alpha
        self._by_id: dict[bytes, _Candidate] = {}
        self._nearest_first: list[_Candidate] = []
        self._asked = 0
        self._learn(known)

    def queries(self, now: float, patience: float) -> list[Contact]:
        """Return whom to ask now. Each is expected to answer within patience (seconds) or is passed over."""
        waiting = sum(c.state is _State.ASKED and now < c.late_at for c in self._nearest_first)
        chosen: list[Contact] = []
        for candidate in self._window(now):
            if waiting >= self._alpha or self._asked >= MAX_ASKED:
                break
            if candidate.state is _State.NEW:
                candidate.state = _State.ASKED
                candidate.late_at = now + patience
                self._asked += 1
                waiting += 1
                chosen.append(candidate.contact)
        return chosen

    def answered(self, contact: Contact, neighbours: Iterable[Contact]) -> None:
        """Take in that contact answered and told of its neighbours."""
        self._by_id[contact.id].state = _State.ANSWERED
        self._learn(neighbours)

    def failed(self, contact: Contact) -> None:
        """Take in that contact did not answer within its time limit."""
        self._by_id[contact.id].state = _State.FAILED

    def finished(self, now: float) -> bool:
        """Tell whether everyone near the target has answered or failed."""
        pending = {_State.ASKED} if self._asked >= MAX_ASKED else {_State.NEW, _State.ASKED}
        return not any(candidate.state in pending for candidate in self._window(now))

    def next_late_at(self, now: float) -> float | None:
        """Return when the next node that is being waited for becomes late, if nothing is heard before."""
        waited_for = (c.late_at for c in self._nearest_first if c.state is _State.ASKED and now < c.late_at)
        return min(waited_for, default=None)

    def nearest(self) -> list[Contact]:
        """Return those who answered, nearest first, at most `width`."""
        answered = [c.contact for c in self._nearest_first if c.state is _State.ANSWERED]
        return answered[: self._width]

    def _window(self, now: float) -> list[_Candidate]:
        """Return the candidates that matter: the nearest ones not failed, late ones not counted."""
        window: list[_Candidate] = []
        room = self._width
        for candidate in self._nearest_first:
            if candidate.state is _State.FAILED:
                continue
            window.append(candidate)
            room -= not (candidate.state is _State.ASKED and candidate.late_at <= now)
            if not room:
                break
        return window

    def _learn(self, contacts: Iterable[Contact]) -> None:
        for contact in contacts:
            if contact.id not in self._by_id:
                candidate = _Candidate(contact.long_id ^ self._target, contact)
                self._by_id[contact.id] = candidate
                insort(self._nearest_first, candidate)
