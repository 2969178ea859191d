"""How often a registry is asked again, and when it is left alone: decisions only, the time is passed in."""

from typing import Final

TRIES: Final = 3
PATIENCE: Final = 3.0
"""Seconds from the first try of a question until the last one begins: a runtime that waits can ask elsewhere itself."""
REST: Final = 5.0
"""Seconds for which an address that did not answer is not tried again."""
_FIRST_PAUSE: Final = 0.2


def pause(tried: int, elapsed: float, jitter: float, retry_after: float | None = None) -> float | None:
    """Return the seconds to wait before the next try, or None to give up.

    tried: tries so far; elapsed: seconds since the first began; jitter: random, in [0, 1); retry_after: what the
    registry asked for.
    """
    if tried >= TRIES:
        return None
    wait = _FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + jitter)
    if retry_after is not None:
        wait = max(wait, retry_after)
    return wait if elapsed + wait <= PATIENCE else None


class Breaker:
    """Remembers which addresses did not answer, so that nobody waits for them in vain."""

    def __init__(self) -> None:
        self._rests: dict[str, float] = {}

    def failed(self, address: str, now: float) -> None:
        """Leave an address alone for a while."""
        self._rests[address] = now + REST

    def answered(self, address: str) -> None:
        """Ask it freely again."""
        self._rests.pop(address, None)

    def allows(self, address: str, now: float) -> bool:
        """Tell whether an address may be asked. An address that has rested is forgotten."""
        if now < self._rests.get(address, 0.0):
            return False
        self._rests.pop(address, None)
        return True
