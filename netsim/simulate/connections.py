"""Connections of swarms as columns of numbers: whom they lead from and to, and which pieces are asked for over each."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from netsim.simulate.flows import Bools, Floats, Ints

_COLUMNS: Final = (
    "target",
    "source",
    "receiver",
    "sender",
    "opens",
    "is_open",
    "queue",
    "queued",
    "wanted",
    "came",
    "heard",
    "rate",
    "is_due",
    "retry",
)


def double(table: object, columns: Iterable[str]) -> None:
    """Give these columns of a table room for twice as many rows; there are zeros in the new ones."""
    for name in columns:
        old = getattr(table, name)
        setattr(table, name, np.concatenate([old, np.zeros_like(old)]))


class Connections:
    """One direction each: pieces come from a source row, at the node `sender`, to a target row, at the node `receiver`."""

    def __init__(self, deepest: int) -> None:
        """Let at most so many pieces be asked for over one."""
        self.deepest = deepest
        self._used = 0
        self._known: dict[tuple[int, int], int] = {}
        self._into: dict[int, list[int]] = {}
        self._out: dict[int, list[int]] = {}
        self._into_as_array: dict[int, Ints] = {}
        room = 64
        self.target: Ints = np.zeros(room, dtype=np.int64)
        self.source: Ints = np.zeros(room, dtype=np.int64)
        self.receiver: Ints = np.zeros(room, dtype=np.int64)
        self.sender: Ints = np.zeros(room, dtype=np.int64)
        self.opens: Floats = np.zeros(room)
        """When the first piece can be asked for, or the next one after a failure."""
        self.is_open: Bools = np.zeros(room, dtype=np.bool_)
        self.queue: Ints = np.zeros((room, deepest), dtype=np.int16)
        self.queued: Ints = np.zeros(room, dtype=np.int64)
        self.wanted: Floats = np.zeros(room)
        """Bytes that are asked for and have not come."""
        self.came: Floats = np.zeros(room)
        """Bytes of the first piece in the queue."""
        self.heard: Floats = np.zeros(room)
        self.rate: Floats = np.zeros(room)
        self.is_due: Bools = np.zeros(room, dtype=np.bool_)
        """Whether there may be something to ask for."""
        self.retry: Floats = np.zeros(room)
        """When it is looked all the same."""
        self._by_source: Ints = np.zeros(0, dtype=np.int64)
        self._starts: Ints = np.zeros(1, dtype=np.int64)

    def open(self, target: int, source: int, receiver: int, sender: int, at: float) -> None:
        """Have a connection from that time on; one that there is stays as it is."""
        index = self._known.get((target, source))
        if index is None:
            index = self._known[target, source] = self._used
            self._used += 1
            if index >= len(self.target):
                double(self, _COLUMNS)
            self._into.setdefault(target, []).append(index)
            self._into_as_array.pop(target, None)
            self._out.setdefault(source, []).append(index)
        elif self.is_open[index]:
            return
        self.target[index], self.source[index] = target, source
        self.receiver[index], self.sender[index] = receiver, sender
        self.opens[index] = at
        self.is_open[index] = True
        self.rate[index] = 0.0
        self.is_due[index] = True

    def close(self, connections: Ints) -> None:
        """Have these no more."""
        self.is_open[connections] = False

    def into(self, target: int) -> Ints:
        """Return all connections that lead to a row."""
        into = self._into_as_array.get(target)
        if into is None:
            into = self._into_as_array[target] = np.array(self._into.get(target, ()), dtype=np.int64)
        return into

    def of(self, row: int) -> Ints:
        """Return all connections that lead to a row or from it."""
        return np.concatenate([self.into(row), np.array(self._out.get(row, ()), dtype=np.int64)])

    def out_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return all connections that lead from rows: which of the rows each is from, by its place, and the connections."""
        if len(self._by_source) != self._used:
            source = self.source[: self._used]
            self._by_source = np.argsort(source, kind="stable")
            self._starts = np.searchsorted(source[self._by_source], np.arange(source.max(initial=0) + 3))
        rows = np.minimum(rows, len(self._starts) - 2)  # behind the last one that any leads from, none do
        first, counts = self._starts[rows], self._starts[rows + 1] - self._starts[rows]
        places = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return places, self._by_source[first[places] + within]

    def append(self, connections: Ints, piece: Ints, length: Ints) -> None:
        """Ask for one more piece over each."""
        self.queue[connections, self.queued[connections]] = piece
        self.queued[connections] += 1
        self.wanted[connections] += length

    def shift(self, connections: Ints) -> None:
        """Take the first piece off each queue."""
        self.queue[connections, :-1] = self.queue[connections, 1:]
        self.queued[connections] -= 1

    def remove(self, connection: int, place: int) -> None:
        """Take a piece out of a queue."""
        self.queue[connection, place:-1] = self.queue[connection, place + 1 :]
        self.queued[connection] -= 1

    def clear(self, connections: Ints) -> None:
        """Ask for nothing over these."""
        self.queued[connections] = 0
        self.wanted[connections] = 0.0
        self.came[connections] = 0.0
