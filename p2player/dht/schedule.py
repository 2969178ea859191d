"""What is due when: renewals spread evenly over time."""

import heapq
from collections.abc import Hashable
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Keys, each due at one time (seconds of any clock)."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: K, due: float) -> None:
        """Make key due then, and only then."""
        self._due[key] = due
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, key))

    def discard(self, key: K) -> None:
        """Forget key."""
        self._due.pop(key, None)

    def hurry(self, now: float, rate: float) -> None:
        """Make everything due soon, spread at random so that about rate keys a second are."""
        spread = len(self._due) / rate
        for key, due in list(self._due.items()):
            sooner = now + self._rng.uniform(0.0, spread)
            if sooner < due:
                self.set(key, sooner)

    def pop(self, now: float, limit: int) -> list[K]:
        """Remove and return at most limit keys that are due."""
        keys: list[K] = []
        while len(keys) < limit and (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._due[key]
            keys.append(key)
        return keys

    def next_due(self) -> float | None:
        """Return when the next key is due."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
