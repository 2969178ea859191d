"""What of a daemon must not grow: memory, descriptors, tasks. Sampled while it runs, and judged at the end."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final, Self

from netsim.emulate.processes import ProgramError
from netsim.emulate.usage import open_files, resident
from netsim.sizes import MIB
from netsim.soak.member import Member
from p2player.control.client import ControlClient
from p2player.errors import P2PlayerError
from p2player.swarm.settings import FILE_POOL

_EVERY: Final = 3.0
_PATIENCE: Final = 2.0
_REMOVED: Final = " (deleted)"  # proc(5)


@dataclass(frozen=True, slots=True)
class Sample:
    """One node at one moment, in seconds from the beginning. Memory is resident, in bytes.

    Of the descriptors, those of stored blobs are counted for themselves, and those of files that are no more.
    """

    at: float
    memory: int
    tasks: int
    descriptors: int
    blobs_open: int = 0
    removed_open: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """How much of something there may be at the end, beside what there was in the middle."""

    factor: float
    more: int

    def allows(self, before: float, after: float) -> bool:
        """Tell whether it may have grown so far."""
        return after <= before * self.factor + self.more


BOUNDS: Final = {
    "memory": Bound(1.1, 16 * MIB),
    "tasks": Bound(1.0, 16),
    "descriptors": Bound(1.0, 24),
    "blobs_open": Bound(1.0, FILE_POOL + 24),
    "removed_open": Bound(1.0, 24),
}
"""For the third and the last quarter of a run; while pulls go on, descriptors and tasks come and go with them."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The median of a gauge in the third quarter of a run and in the last."""

    gauge: str
    before: float
    after: float

    @property
    def is_flat(self) -> bool:
        """Whether it did not grow."""
        return BOUNDS[self.gauge].allows(self.before, self.after)


QUIET: Final = {
    "tasks": Bound(1.0, 8),
    "descriptors": Bound(1.0, 8),
    "blobs_open": Bound(0.0, FILE_POOL),
    "removed_open": Bound(0.0, 0),
}
"""For when all is quiet again, beside what there was at first. The store's space is free only if no removed blob is open."""


def left_over(before: Sample, after: Sample) -> list[str]:
    """Return the gauges of which a node has more when all is quiet again than there may be."""
    return [gauge for gauge, bound in QUIET.items() if not bound.allows(getattr(before, gauge), getattr(after, gauge))]


def trends(samples: Sequence[Sample], end: float) -> Iterator[Trend]:
    """Yield the trend of every gauge over the second half of a run of `end` seconds, if there are samples in it."""
    third = [sample for sample in samples if end / 2 <= sample.at < end * 3 / 4]
    last = [sample for sample in samples if end * 3 / 4 <= sample.at <= end]
    if third and last:
        for gauge in BOUNDS:
            yield Trend(gauge, *(median(getattr(sample, gauge) for sample in part) for part in (third, last)))


def sample(member: Member, began: float) -> Sample | None:
    """Return how much a node has of everything, or None if it does not answer."""

    async def tasks(client: ControlClient) -> int:
        return (await client.status()).tasks

    if member.daemon is None:
        return None
    try:
        count = member.ask(tasks, timeout=_PATIENCE)
        pid = member.daemon.pid
        return counted(time.monotonic() - began, resident(pid), count, open_files(pid), member.store)
    except (P2PlayerError, ProgramError, TimeoutError, OSError, AttributeError):
        return None  # it was ended in between, or stands still


def counted(at: float, memory: int, tasks: int, files: Sequence[str], store: Path) -> Sample:
    """Return the sample of a node whose store is there and whose descriptors are of these files."""
    there = [file for file in files if not file.endswith(_REMOVED)]
    blobs = sum(Path(file).is_relative_to(store) for file in there)
    return Sample(at, memory, tasks, len(there) - blobs, blobs, len(files) - len(there))


class Watch:
    """Samples nodes in a thread of its own while its context lasts."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = time.monotonic()
        self.samples: defaultdict[int, list[Sample]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            for member in self._members:
                if taken := sample(member, self._began):
                    self.samples[member.number].append(taken)
