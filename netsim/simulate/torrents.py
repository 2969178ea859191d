"""Torrents as columns of numbers: a row for each copy that takes part in a swarm, with what is there of it, piece by piece."""

from typing import TYPE_CHECKING, Final

import numpy as np

from netsim.simulate.connections import double
from netsim.simulate.copies import Copies
from netsim.simulate.flows import Bools, Floats, Ints
from p2player.store.merkle import piece_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ROW: Final = -1
"""Where a copy takes no part, and as the source of a connection: the registry."""
_COLUMNS: Final = (
    "copy",
    "received",
    "have",
    "asked",
    "free",
    "is_done",
    "is_corrupt",
    "in_order",
    "looks",
    "pieces_here",
)


class Torrents:
    """Rows are never given back: who leaves has the same one when it comes again."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        lengths = [piece_length(int(size)) for size in copies.size]
        self._length: Ints = np.array(lengths, dtype=np.int64)
        self.count: Ints = -(-copies.size // self._length)
        """By copy, how many pieces there are."""
        widest = int(self.count.max(initial=1))
        self.row: Ints = np.full(len(copies.size), NO_ROW, dtype=np.int64)
        """By copy."""
        self._used = 0
        room = 64
        self.copy: Ints = np.zeros(room, dtype=np.int64)
        self.received: Floats = np.zeros(room)
        """Bytes of whole pieces that have come."""
        self.have: Bools = np.zeros((room, widest), dtype=np.bool_)
        """By row and piece; what is behind a blob's last piece is had by all."""
        self.asked: NDArray[np.uint8] = np.zeros((room, widest), dtype=np.uint8)
        """By row and piece, over how many connections it is asked for."""
        self.free: Ints = np.zeros(room, dtype=np.int64)
        """How many pieces are neither there nor asked for."""
        self.holders: NDArray[np.float32] = np.zeros((len(copies.from_registry), widest), dtype=np.float32)
        """By blob and piece, how many have it."""
        self.is_done: Bools = np.zeros(room, dtype=np.bool_)
        self.is_corrupt: Bools = np.zeros(room, dtype=np.bool_)
        self.in_order: Bools = np.zeros(room, dtype=np.bool_)
        """Whether pieces are taken one after the other."""
        self.looks: Ints = np.zeros(room, dtype=np.int64)
        self.pieces_here: Ints = np.zeros(room, dtype=np.int64)

    def row_of(self, copy: int) -> int:
        """Return the row of a copy, which has one from now on."""
        if self.row[copy] == NO_ROW:
            self.row[copy] = row = self._used
            self._used += 1
            if row >= len(self.copy):
                double(self, _COLUMNS)
            self.copy[row] = copy
            self.have[row, self.count[copy] :] = True
        return int(self.row[copy])

    def fill(self, row: int) -> None:
        """Have all pieces in a row."""
        copy = self.copy[row]
        count = self.count[copy]
        self.holders[self._copies.blob[copy], :count] += ~self.have[row, :count]
        self.have[row, :count] = True

    def empty(self, row: int) -> None:
        """Have nothing in a row any more."""
        copy = self.copy[row]
        count = self.count[copy]
        self.holders[self._copies.blob[copy], :count] -= self.have[row, :count]
        self.have[row, :count] = self.is_done[row] = False
        self.pieces_here[row] = self.looks[row] = 0
        self.received[row] = 0.0
        self.recount(np.array([row]))

    def recount(self, rows: Ints) -> None:
        """Count anew how many pieces are neither there nor asked for."""
        self.free[rows] = (~self.have[rows] & (self.asked[rows] == 0)).sum(axis=1)

    def length_of(self, rows: Ints, piece: Ints) -> Ints:
        """Return the bytes of a piece of each row: the last one may be shorter than the others."""
        copies = self.copy[rows]
        lengths = self._length[copies]
        shorter: Ints = np.minimum(lengths, self._copies.size[copies] - piece * lengths)
        return shorter
