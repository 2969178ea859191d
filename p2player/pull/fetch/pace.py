"""When a hunt does what: looks again for who has the blob, asks its registry for what is missing, gives up those who send nothing."""

from dataclasses import InitVar, dataclass
from typing import Final

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
STALLED = 1.5
"""Seconds without a byte after which it is looked again, and again every so often."""
NO_START = 8.0
"""Seconds in which not even the first byte has come after which a claim is dropped: those who make it are gone.

Where one of them is connected, and nobody else is left to ask, it is GIVE_UP: in a crowd the first bytes take their time."""
RESCUE = 3.0
"""Seconds without a byte after which a blob's registry is asked for what is missing, or for all of it if nothing came."""
GIVE_UP = 30.0
"""Seconds after the last byte after which a claim is dropped. Without another the runtime goes to the registry itself."""
STEP: Final = 64 * 1024
"""How many bytes count as some. Who sends a few now and then must not keep a fetch from looking for others."""


@dataclass(slots=True)
class Headway:
    """Tells whether a fetch gets anywhere, whichever attempt is under way."""

    _received: int = 0
    _done: int = 0

    def is_made(self, received: int, done: int, size: int) -> bool:
        """Tell whether bytes have come since the last time that it was: of size bytes so many are received, and done."""
        if received < self._received:  # it is another attempt by now
            self._received = self._done = 0
        # To check and keep what has come whole may take a slow disk longer than a stall.
        if received - self._received < STEP and done <= self._done and done != size:
            return False
        self._received, self._done = received, done
        return True


@dataclass(slots=True)
class Pace:
    """The pace of one hunt, which began at `now`. Times are seconds of any clock that does not go back."""

    now: InitVar[float]
    is_looking: bool = False
    """Whether it is being looked just now."""
    has_started: bool = False
    """Whether anything has come of what is being fetched."""
    _has_waited: bool = False
    """Whether it was waited for bytes of a stream as long as for those of a swarm."""
    _looked_at: float = 0.0
    _received_at: float = 0.0
    _rescued_at: float = 0.0
    _first_looks: tuple[float, ...] = FIRST_LOOKS

    def __post_init__(self, now: float) -> None:
        self._looked_at = self._received_at = now

    def look(self) -> None:
        """Take note that it is being looked who has the blob."""
        self.is_looking = True
        self._first_looks = self._first_looks[1:]

    def looked(self, now: float) -> None:
        """Take note that a look has ended."""
        self.is_looking = False
        self._looked_at = now

    def begin_claim(self, now: float) -> None:
        """Take note that it is being fetched by a claim."""
        self._received_at = now
        self.has_started = False

    def begin_stream(self, now: float) -> None:
        """Take note that it is being streamed."""
        self._received_at = now
        self._first_looks = FIRST_LOOKS_STREAMING

    def received(self, now: float) -> None:
        """Take note that bytes have arrived."""
        self._received_at = now
        self.has_started = True

    def stream_failed(self, now: float) -> None:
        """Take note that nothing more comes by a stream."""
        self._has_waited = self.quiet(now) >= NO_START

    def quiet(self, now: float) -> float:
        """Return for how many seconds nothing has come of what is being fetched."""
        return now - self._received_at

    def patience(self, *, has_origin: bool, is_last: bool) -> float:
        """Return after how many seconds without a byte a claim is dropped; is_last: there is no other, and somebody is connected."""
        if self.has_started:
            return GIVE_UP
        if has_origin:
            return RESCUE
        if self._has_waited:
            return NO_START
        # Many who begin at once share one uplink, or wait for their turn.
        return GIVE_UP if is_last else NO_START

    def must_rescue(self, now: float) -> bool:
        """Tell whether it is time to ask the registry for what is missing; if so, it is not for a while."""
        if self.quiet(now) < RESCUE or now - self._rescued_at < RESCUE:
            return False
        self._rescued_at = now
        return True

    def must_look(self, now: float, *, is_streaming: bool, is_following: bool) -> bool:
        """Tell whether it is time to look again."""
        patience = self._between_looks(is_streaming=is_streaming, is_following=is_following)
        if self.quiet(now) >= STALLED:
            patience = min(patience, STALLED)
        return not self.is_looking and now - self._looked_at >= patience

    def _between_looks(self, *, is_streaming: bool, is_following: bool) -> float:
        if is_following and self._first_looks != FIRST_LOOKS_STREAMING:
            return LOOK_AGAIN_FOLLOWING
        if self._first_looks:
            return self._first_looks[0]
        return LOOK_AGAIN_STREAMING if is_streaming else LOOK_AGAIN
