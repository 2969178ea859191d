"""What has come of a blob and when, and what its source has said that it has."""

from p2player.pull.chain.patience import ON_THE_WAY, STALLED, SUSPECT


class Flow:
    """Whether bytes come. Times are seconds of any clock that does not go back."""

    def __init__(self, now: float) -> None:
        self.offset = 0
        """Up to which byte the blob is here."""
        self.moved_at = now
        """When bytes last came, or another source was begun with."""
        self._came_at = self._began = self._changed_at = now
        self._promised, self._promised_at = 0, now

    def moved(self, offset: int, now: float) -> None:
        """Take note that the blob is here up to offset."""
        self.offset = offset
        self.moved_at = self._came_at = now

    def changed(self, now: float) -> None:
        """Take note that another source is begun with."""
        self._promised, self._promised_at = 0, now
        self.moved_at = self._changed_at = now

    def promised(self, offset: int, now: float) -> None:
        """Take note that the source says it has so many bytes."""
        if not self.is_owed:
            self._promised, self._promised_at = offset, now

    @property
    def is_owed(self) -> bool:
        """Whether the source has said that it has more than is here."""
        return self._promised > self.offset

    @property
    def has_come(self) -> bool:
        """Whether any bytes have come from this source."""
        return self.moved_at > self._changed_at

    def is_on_the_way(self, now: float) -> bool:
        """Tell whether the source has only just said that it has more."""
        return self.is_owed and now - self._promised_at < ON_THE_WAY

    def is_suspect(self, now: float) -> bool:
        """Tell whether no byte has come for longer than it takes while all is well. Before the first one all are busy."""
        return self.quiet(now) >= (SUSPECT if self.offset else STALLED)

    def is_stalled(self, now: float) -> bool:
        """Tell whether no byte has come for so long that others are to be asked."""
        return self.quiet(now) >= STALLED

    def quiet(self, now: float) -> float:
        """Return for how many seconds no byte has come from this source."""
        return now - self.moved_at

    def starved(self, now: float) -> float:
        """Return for how many seconds no byte has come from any source."""
        return now - self._came_at

    def followed(self, now: float) -> float:
        """Return for how many seconds this source has been the source."""
        return now - self._changed_at

    def rate(self, now: float) -> float:
        """Return how many bytes have come a second, from all sources since the beginning."""
        return self.offset / max(now - self._began, 1.0)
