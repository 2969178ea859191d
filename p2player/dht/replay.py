"""Which requests were seen already, so that one that somebody recorded and sends again has no effect."""

from typing import Final

_KEPT: Final = 1 << 16


class ReplayWindow:
    """Remembers requests for at least `seconds`, in two generations of at most `kept` each.

    More than that many in that time can come from members of the cluster only; the oldest are then forgotten early.
    Times are seconds of any steady clock, always given by the caller.
    """

    def __init__(self, seconds: float, *, kept: int = _KEPT) -> None:
        self._seconds = seconds
        self._kept = kept
        self._recent: set[bytes] = set()
        self._before: set[bytes] = set()
        self._began = 0.0

    def __len__(self) -> int:
        return len(self._recent) + len(self._before)

    def is_new(self, request: bytes, now: float) -> bool:
        """Remember the request known by these bytes; returns False if it was seen before."""
        if now - self._began >= self._seconds or len(self._recent) >= self._kept:
            self._before = self._recent if now - self._began < 2 * self._seconds else set()
            self._recent = set()
            self._began = now
        if request in self._recent or request in self._before:
            return False
        self._recent.add(request)
        return True
