"""How a node takes it that its registry answers no more: nobody hangs up, so it waits, asks again, and gives up at last."""

from typing import Final

from p2player.upstream.stream import TRIES
from p2player.upstream.transport import CONNECT_TIMEOUT, SILENCE

GIVEN_UP: Final = SILENCE + TRIES * CONNECT_TIMEOUT
"""Seconds without a byte after which a stream is given up that has begun: then it was asked for again, so often, in vain."""


class Silence:
    """What happens to one stream from a registry. `retransmit` is the first pause of TCP, in seconds; each is twice the one before."""

    def __init__(self, retransmit: float) -> None:
        self._retransmit = retransmit
        self._since: float | None = None

    def is_too_long(self, now: float, *, has_begun: bool) -> bool:
        """Take note that it is silent, and tell whether it is given up; has_begun: bytes have come by this stream."""
        self._since = now if self._since is None else self._since
        return now - self._since >= (GIVEN_UP if has_begun else CONNECT_TIMEOUT)

    def ended(self, now: float) -> float | None:
        """Take note that it answers, and return when bytes come again; None if they have never ceased."""
        since, self._since = self._since, None
        if since is None:
            return None
        pause = self._retransmit
        while since + pause < now:
            pause = 2 * pause + self._retransmit
        return max(min(since + pause, since + SILENCE), now)
