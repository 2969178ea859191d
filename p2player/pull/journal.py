"""What happened to each digest lately, for `why`."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from p2player.oci.digest import Digest

_DIGESTS = 1000
_ENTRIES = 40


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened, at Unix seconds."""

    at: float
    what: str


class Journal:
    """The last entries of the digests that something happened to last; older ones are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: OrderedDict[Digest, deque[HistoryEntry]] = OrderedDict()

    def add(self, digest: Digest, what: str) -> None:
        """Keep that something happened to digest now."""
        entries = self._entries.setdefault(digest, deque(maxlen=_ENTRIES))
        entries.append(HistoryEntry(self._clock(), what))
        self._entries.move_to_end(digest)
        if len(self._entries) > _DIGESTS:
            self._entries.popitem(last=False)

    def of(self, digest: Digest) -> tuple[HistoryEntry, ...]:
        """Return what happened to digest, oldest first."""
        return tuple(self._entries.get(digest, ()))
