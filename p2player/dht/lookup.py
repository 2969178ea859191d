"""An iterative lookup as a machine: answers and the time go in, whom to ask next comes out (Kademlia, section 2.3).

Each candidate is NEW until asked, then ASKED; it ends ANSWERED or, at the request's time limit, FAILED. The lookup
closes in on the `width` candidates nearest to the target that have not failed, and is finished when all of them have
answered. It does not go in rounds: as soon as one answers, or is late, the next is asked.

`alpha` bounds how many are waited for at once. One that has not answered within `patience` is late: it no longer takes
one of those places nor one of the `width`, so that dead nodes cost neither time nor reach, but its answer still counts.

Those who answer may lie about their neighbours. Whoever told of a candidate stands for it: until one of those it told of
has answered, only one of them is asked at a time, and the others take nobody's place among the `width`; nor does that one
take a place of `alpha` any longer than an answer usually takes (`usual`). When more turn out false than true, the others
are put behind everybody else's. What a host claims to run besides a second node takes nobody's place, and where one node
is known no other is looked for.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from p2player.dht.routing import Contact
from p2player.dht.vantage import is_loopback
from p2player.dht.wire import Address, Neighbour

WIDTH: Final = 8
ALPHA: Final = 4
MAX_ASKED: Final = 96
"""No lookup asks more nodes than this, whatever neighbours it is told of."""
_FALSE_TO_BE_DOUBTED: Final = 2
_OF_A_HOST: Final = 2


class _State(Enum):
    NEW = auto()
    ASKED = auto()
    ANSWERED = auto()
    FAILED = auto()


@dataclass(slots=True, eq=False)
class _Teller:
    """Who told of candidates, and how many of those it is known of: answered, late or failed, still waited for."""

    true: int = 0
    false: int = 0
    waited_for: int = 0

    @property
    def is_doubted(self) -> bool:
        return self.false >= _FALSE_TO_BE_DOUBTED and self.false > self.true


@dataclass(slots=True, order=True)
class _Candidate:
    distance: int
    contact: Contact = field(compare=False)
    tellers: list[_Teller] = field(default_factory=list, compare=False)
    """Empty for who was known before."""
    state: _State = field(default=_State.NEW, compare=False)
    slow_at: float = field(default=0.0, compare=False)
    late_at: float = field(default=0.0, compare=False)
    is_late: bool = field(default=False, compare=False)
    host: str = field(default="", compare=False)
    """Empty on this very machine, where all nodes are apart."""

    @property
    def is_doubted(self) -> bool:
        return bool(self.tellers) and all(teller.is_doubted for teller in self.tellers)

    @property
    def is_vouched_for(self) -> bool:
        return not self.tellers or any(teller.true for teller in self.tellers)

    @property
    def may_be_asked(self) -> bool:
        return self.is_vouched_for or not all(teller.waited_for for teller in self.tellers)


class Lookup:
    """One search for the nodes nearest to target, starting from those already known."""

    def __init__(self, target: bytes, known: Iterable[Contact], *, width: int = WIDTH, alpha: int = ALPHA) -> None:
        self._target = int.from_bytes(target, "big")
        self._width = width
        self._alpha = alpha
        self._by_id: dict[bytes, _Candidate] = {}
        self._ids: dict[Address, bytes] = {}
        self._nearest_first: list[_Candidate] = []
        self._asked = 0
        self._tellers: dict[bytes, _Teller] = {}
        self._last_window: list[_Candidate] | None = None
        for contact in known:
            self._add(contact)

    def queries(self, now: float, patience: float, usual: float) -> list[Contact]:
        """Return whom to ask now. Each usually answers within `usual` seconds, and within patience or is passed over."""
        self._note_late(now)
        waiting = sum(
            c.state is _State.ASKED and not c.is_late and (now < c.slow_at or c.is_vouched_for)
            for c in self._nearest_first
        )
        chosen: list[Contact] = []
        for candidate in self._window():
            if waiting >= self._alpha or self._asked >= MAX_ASKED:
                break
            if candidate.state is not _State.NEW or not candidate.may_be_asked:
                continue
            waiting += 1
            candidate.state = _State.ASKED
            candidate.slow_at = now + min(usual, patience)
            candidate.late_at = now + patience
            for teller in candidate.tellers:
                teller.waited_for += 1
            self._asked += 1
            chosen.append(candidate.contact)
        if chosen:
            self._last_window = None
        return chosen

    def answered(self, contact: Contact, neighbours: Iterable[Neighbour]) -> None:
        """Take in that contact answered and told of its neighbours."""
        candidate = self._by_id[contact.id]
        self._last_window = None
        for teller in candidate.tellers:
            teller.false -= candidate.is_late
            teller.waited_for -= not candidate.is_late
            teller.true += 1
        candidate.state = _State.ANSWERED
        me = self._tellers.setdefault(contact.id, _Teller())
        for neighbour in neighbours:
            known = self._by_id.get(neighbour.node_id)
            if known is None:
                if neighbour.address not in self._ids:
                    self._add(Contact(*neighbour)).tellers.append(me)
            elif known.state is _State.NEW and known.tellers and known.contact.address == neighbour.address:
                known.tellers.append(me)

    def failed(self, contact: Contact) -> None:
        """Take in that contact did not answer within its time limit."""
        candidate = self._by_id[contact.id]
        self._last_window = None
        if not candidate.is_late:
            self._disappointed_by(candidate)
        candidate.state = _State.FAILED

    def finished(self, now: float) -> bool:
        """Tell whether everyone near the target has answered or failed."""
        self._note_late(now)
        pending = {_State.ASKED} if self._asked >= MAX_ASKED else {_State.NEW, _State.ASKED}
        return not any(candidate.state in pending for candidate in self._window())

    def waits_for_doubtful_only(self, now: float) -> bool:
        """Tell whether all who might still answer are known from nodes of whose neighbours none has answered yet."""
        pending = (c for c in self._window() if c.state in {_State.NEW, _State.ASKED})
        return all(not c.is_vouched_for and (c.state is _State.NEW or now >= c.slow_at) for c in pending)

    def next_late_at(self, now: float) -> float | None:
        """Return when the next node that is being waited for becomes slow or late, if nothing is heard before."""
        asked = [c for c in self._nearest_first if c.state is _State.ASKED]
        slow = (c.slow_at for c in asked if now < c.slow_at and not c.is_vouched_for)
        return min((*slow, *(c.late_at for c in asked if now < c.late_at)), default=None)

    def nearest(self) -> list[Contact]:
        """Return those who answered, nearest first, at most `width`."""
        hosts: Counter[str] = Counter()
        apart: list[_Candidate] = []
        crowded: list[_Candidate] = []
        for candidate in self._nearest_first:
            if candidate.state is _State.ANSWERED:
                hosts[candidate.host] += 1
                is_apart = not candidate.host or hosts[candidate.host] <= _OF_A_HOST
                (apart if is_apart else crowded).append(candidate)
        chosen = apart[: self._width]
        return [c.contact for c in sorted(chosen + crowded[: self._width - len(chosen)])]

    def _window(self) -> list[_Candidate]:
        """Return the candidates that matter: the nearest ones not failed, late ones not counted, doubtful ones last."""
        if self._last_window is None:
            self._last_window = self._look_near()
        return self._last_window

    def _look_near(self) -> list[_Candidate]:
        window: list[_Candidate] = []
        doubtful: list[_Candidate] = []
        hosts: dict[str, int] = {}
        room = self._width
        for candidate in self._nearest_first:
            state = candidate.state
            if state is _State.FAILED:
                continue
            if state is _State.NEW and candidate.tellers and candidate.is_doubted:
                doubtful.append(candidate)
                continue
            of_host = 0
            if host := candidate.host:
                of_host = hosts.get(host, 0)
                hosts[host] = of_host + 1
            if of_host >= _OF_A_HOST:
                doubtful.append(candidate)
                continue
            window.append(candidate)
            if of_host or (candidate.is_late if state is _State.ASKED else self._is_held_back(candidate)):
                continue
            room -= 1
            if not room:
                return window
        return window + doubtful[:room]

    @staticmethod
    def _is_held_back(candidate: _Candidate) -> bool:
        return bool(candidate.tellers) and candidate.state is _State.NEW and not candidate.may_be_asked

    def _note_late(self, now: float) -> None:
        for candidate in self._nearest_first:
            if candidate.state is _State.ASKED and not candidate.is_late and candidate.late_at <= now:
                candidate.is_late = True
                self._last_window = None
                self._disappointed_by(candidate)

    def _disappointed_by(self, candidate: _Candidate) -> None:
        for teller in candidate.tellers:
            teller.waited_for -= 1
            teller.false += 1

    def _add(self, contact: Contact) -> _Candidate:
        host = "" if is_loopback(contact.ip) else contact.ip
        candidate = _Candidate(contact.long_id ^ self._target, contact, host=host)
        self._by_id[contact.id] = candidate
        self._ids.setdefault(contact.address, contact.id)
        insort(self._nearest_first, candidate)
        return candidate
