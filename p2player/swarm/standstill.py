"""Tells when nothing comes of a transfer any more, though nobody has said so."""

from typing import Final

PATIENCE: Final = 4.0
"""Seconds without progress after which a transfer stands still.

libtorrent asks somebody else for a block that has not come for three seconds, and a blob's registry helps out after as many.
In swarms of five and of sixteen with silent, slow and lying nodes no transfer went without progress for more than 1.5 s."""
STEP: Final = 16 * 1024
"""How many bytes are progress, though no piece is whole yet: a block. On slow links a piece takes minutes."""


class Standstill:
    """What a transfer has got, watched over time. Times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._verified = self._received = 0

    def look(self, verified: int, received: int, now: float) -> bool:
        """Tell whether it stands still at time now, with so many pieces verified, and bytes received that may be right."""
        if self._since is None or verified > self._verified or received >= self._received + STEP:
            self._verified, self._received = verified, received
            self._since = now
        return now - self._since >= PATIENCE

    def begin_anew(self) -> None:
        """Give it its time again, from the next look on."""
        self._since = None
