"""What a node counts from its start on: bytes by where they came from, what it dropped and why, what happened how often."""

from collections import Counter


class Counters:
    """Plain counts by name; every part of a node adds to the same ones, `status` shows them."""

    def __init__(self) -> None:
        self._bytes: Counter[str] = Counter({"local": 0, "peer": 0, "upstream": 0, "redundant": 0})
        self._dropped: Counter[str] = Counter()
        self._events: Counter[str] = Counter()

    def add_bytes(self, source: str, count: int) -> None:
        """Count bytes served from the store (`local`), fetched from `peer` or `upstream`, or for nothing (`redundant`)."""
        self._bytes[source] += count

    def drop(self, where: str, count: int = 1) -> None:
        """Count something malformed or unwelcome that was dropped, by where it came in."""
        self._dropped[where] += count

    def count(self, event: str) -> None:
        """Count something worth knowing that happened, such as `tags.stale`."""
        self._events[event] += 1

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by source."""
        return dict(self._bytes)

    @property
    def dropped(self) -> dict[str, int]:
        """Drops by place and reason."""
        return dict(self._dropped)

    @property
    def events(self) -> dict[str, int]:
        """How often each event happened."""
        return dict(self._events)
