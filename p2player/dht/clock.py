"""What time it is in the cluster, told by the clocks of most nodes, so that one whose own is wrong can take part.

The offset is the lower median of what other nodes' clocks say more than this one's, this one's own counted as 0: no
minority moves it, and of two nodes both take the earlier. Every answer to a request of ours tells its sender's clock. Only
a cluster that refuses this node's requests for their time (`refused`) is believed against the own clock alone, as long
as nobody's clock agrees with that.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from p2player.dht.vantage import voter

TOLERANCE_MS: Final = 60_000
"""How far apart two clocks that agree may be, and how old a request."""

_VOTERS: Final = 64
_VOTE_SECONDS: Final = 2 * 3600.0
_NEGLIGIBLE_MS: Final = 2000
_STEP_MS: Final = 1000  # less than this is a clock being slewed, or the jitter of the network

log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Vote:
    ahead_ms: int
    refused: bool
    cast_at: float


class ClusterClock:
    """This machine's clock (`own_ms`), corrected. `on_jump` hears how many milliseconds the corrected time has jumped by."""

    def __init__(
        self,
        own_ms: Callable[[], int] = wall_clock_ms,
        *,
        steady: Callable[[], float] = time.monotonic,
        on_jump: Callable[[int], None] = lambda _ms: None,
    ) -> None:
        self._own_ms = own_ms
        self._steady = steady
        self._on_jump = on_jump
        self._votes: OrderedDict[bytes, _Vote] = OrderedDict()
        self._started_ms: int | None = None
        self._is_sure = False
        self._elected_ms = 0
        self.offset_ms = 0

    def now_ms(self) -> int:
        """Return the cluster's time in milliseconds since the epoch."""
        return self._own_ms() + self.offset_ms

    def own_now_ms(self) -> int:
        """Return what this machine's clock says, in milliseconds since the epoch."""
        return self._own_ms()

    @property
    def is_sure(self) -> bool:
        """Whether most clocks heard of, and at least two, agree with the cluster's time."""
        return self._is_sure

    def fits(self, time_ms: int) -> bool:
        """Tell whether a request of that time may be answered: whoever is not sure of the time refuses nobody."""
        return not self._is_sure or abs(time_ms - self.now_ms()) <= TOLERANCE_MS

    def heard(self, node_id: bytes, host: str, time_ms: int, round_trip: float) -> None:
        """Take in what a node's clock said in an answer that took round_trip seconds."""
        self._vote(voter(node_id, host), time_ms + int(round_trip * 500), refused=False)

    def refused(self, node_id: bytes, host: str, time_ms: int, round_trip: float) -> None:
        """Take in that a node of a cluster refused a request for its time, and what time it said it is there."""
        self._vote(voter(node_id, host), time_ms + int(round_trip * 500), refused=True)

    def _vote(self, who: bytes, their_ms: int, *, refused: bool) -> None:
        own_ms, now = self._own_ms(), self._steady()
        started_ms = own_ms - int(now * 1000)
        if self._started_ms is not None and abs(started_ms - self._started_ms) > _STEP_MS:
            # The clock was set, or the machine slept: what was said of the clock before says nothing of it now.
            self._votes.clear()
        self._started_ms = started_ms
        ahead_ms = their_ms - own_ms
        self._votes.pop(who, None)
        self._votes[who] = _Vote(ahead_ms, refused, now)
        while len(self._votes) > _VOTERS or now - next(iter(self._votes.values())).cast_at > _VOTE_SECONDS:
            self._votes.popitem(last=False)
        # One more vote for what is elected anyway changes nothing; most votes are that.
        if refused or not self._is_sure or abs(ahead_ms - self._elected_ms) >= _STEP_MS // 2:
            self._elect()

    def _elect(self) -> None:
        votes = self._votes.values()
        others = [vote.ahead_ms for vote in votes]
        is_contradicted = any(vote.refused for vote in votes) and not any(map(_agrees, others))
        everyone = sorted(others if is_contradicted else [0, *others])
        elected = everyone[(len(everyone) - 1) // 2]
        agreeing = sum(abs(ahead - elected) <= TOLERANCE_MS for ahead in everyone)
        self._is_sure = agreeing >= 2 and 2 * agreeing > len(everyone)
        self._elected_ms = elected
        self._correct_by(elected if abs(elected) >= _NEGLIGIBLE_MS else 0)

    def _correct_by(self, offset_ms: int) -> None:
        jump = offset_ms - self.offset_ms
        if abs(jump) < _STEP_MS:
            return
        self.offset_ms = offset_ms
        if offset_ms:
            side = "behind" if offset_ms > 0 else "ahead of"
            log.warning("this node's clock is %.0f s %s the cluster's; fix it (NTP)", abs(offset_ms) / 1000, side)
        else:
            log.info("this node's clock agrees with the cluster's again")
        self._on_jump(jump)


def _agrees(ahead_ms: int) -> bool:
    return abs(ahead_ms) <= TOLERANCE_MS
