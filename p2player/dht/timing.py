"""How long to wait for an answer, learned from those that came."""

from typing import Final

_FIRST_PATIENCE: Final = 0.25
_MIN_PATIENCE: Final = 0.05  # below this a busy event loop looks like a dead node
_MAX_PATIENCE: Final = 1.0
_MAX_LIMIT: Final = 2.0
_LIMIT_FACTOR: Final = 4


class RoundTrip:
    """The estimate of RFC 6298 over all nodes together, in seconds: a cluster's links are much alike."""

    def __init__(self) -> None:
        self._smoothed: float | None = None
        self._variation = 0.0

    def took(self, seconds: float) -> None:
        """Take in how long one answer took."""
        if self._smoothed is None:
            self._smoothed = seconds
            self._variation = seconds / 2
            return
        self._variation += (abs(self._smoothed - seconds) - self._variation) / 4
        self._smoothed += (seconds - self._smoothed) / 8

    @property
    def usual(self) -> float:
        """Within this long nearly all answers come."""
        return _FIRST_PATIENCE if self._smoothed is None else self._smoothed + 4 * self._variation

    @property
    def patience(self) -> float:
        """After this long an answer is late, and somebody else is asked meanwhile."""
        return min(max(self.usual, _MIN_PATIENCE), _MAX_PATIENCE)

    @property
    def limit(self) -> float:
        """After this long no answer is waited for."""
        return min(_LIMIT_FACTOR * self.patience, _MAX_LIMIT)
