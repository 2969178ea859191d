"""Blobs that come from front to back, from the registry or from a node that is ahead: as counters of bytes over links."""

from collections import deque
from typing import Final

import numpy as np

from netsim.simulate.copies import Copies
from netsim.simulate.flows import REGISTRY, Floats, Flows, Ints, Links
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from p2player.peer.segments import segment_bytes

NOBODY: Final = -2
"""Where the index of a copy stands otherwise: it comes from nowhere. REGISTRY: from the registry."""


class Streams:
    """What comes to each copy, and from where. A node passes on whole segments, a while after it has them."""

    def __init__(self, copies: Copies, links: Links, reach: Reach, parameters: Parameters) -> None:
        self._copies = copies
        self._links = links
        self._reach = reach
        self._parameters = parameters
        self._segment: Ints = np.array([segment_bytes(int(size)) for size in copies.size], dtype=np.int64)
        self.source: Ints = np.full(len(copies.size), NOBODY, dtype=np.int64)
        self._begins: Floats = np.zeros(len(copies.size))
        delayed = max(1, round(parameters.hop / parameters.step))
        self._past = deque([copies.got.copy()], maxlen=delayed)
        self._active: Ints = np.zeros(0, dtype=np.int64)

    def begin(self, copy: int, source: int, at: float) -> None:
        """Let a copy come from another one, or REGISTRY, from that time on.

        From another node it begins at a segment: what was there of one that is not whole comes once more.
        """
        copies = self._copies
        if source != REGISTRY:
            self._copies.useless[copies.node[copy]] += copies.got[copy] % self._segment[copy]
            copies.got[copy] -= copies.got[copy] % self._segment[copy]
        self.source[copy] = source
        self._begins[copy] = at

    def stop(self, copy: int) -> None:
        """Let nothing more come to a copy."""
        self.source[copy] = NOBODY

    def offset(self, copy: int) -> int:
        """Return how many bytes can be passed on of a copy."""
        copies = self._copies
        size = copies.size.item(copy)
        if copies.is_whole.item(copy):
            return size
        segment = self._segment.item(copy)
        return int(min(copies.got.item(copy), size - 1)) // segment * segment

    def boundary(self, copy: int) -> int:
        """Return where the first segment begins that is not whole."""
        got, size, segment = self._copies.got.item(copy), self._copies.size.item(copy), self._segment.item(copy)
        return size if got >= size else int(got) // segment * segment

    def followers(self, copy: int) -> list[int]:
        """Return which copies come from this one."""
        return [int(index) for index in np.flatnonzero(self.source == copy)]

    def flows(self, now: float) -> Flows:
        """Return what could be sent in the step that begins now."""
        copies, parameters = self._copies, self._parameters
        active = np.flatnonzero((self.source != NOBODY) & (copies.got < copies.size) & (self._begins <= now))
        source = self.source[active]
        is_from_registry = source == REGISTRY
        there = np.where(
            is_from_registry,
            copies.size[active],
            _offered(self._past[0][source], copies.size[source], self._segment[source], copies.is_whole[source]),
        )
        sender = np.where(is_from_registry, REGISTRY, copies.node[source])
        receiver = copies.node[active]
        demand = np.maximum(there - copies.got[active], 0.0) / parameters.step
        begun = now - self._begins[active]
        demand = np.minimum(demand, self._links.slow_start(sender, receiver, begun, parameters.first_window))
        demand[~self._reach.among(sender, receiver)] = 0.0
        self._active = active
        return Flows(self._links.between(sender, receiver), demand)

    def advance(self, rates: Floats) -> list[int]:
        """Take what has come at these rates in one step, and return which copies have all their bytes now."""
        copies, active = self._copies, self._active
        came = rates * self._parameters.step
        copies.got[active] += came
        is_done = copies.got[active] >= copies.size[active] - 0.5
        copies.got[active[is_done]] = copies.size[active[is_done]]
        is_from_registry = self.source[active] == REGISTRY
        copies.from_registry += np.bincount(
            copies.blob[active[is_from_registry]], weights=came[is_from_registry], minlength=len(copies.from_registry)
        )
        self._past.append(copies.got.copy())
        return [int(copy) for copy in active[is_done]]


def _offered(got: Floats, size: Ints, segment: Ints, is_whole: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Return what can be passed on: whole segments, the last one only after the whole digest has matched."""
    before_last = (size - 1) // segment * segment
    offered: Floats = np.where(is_whole, size, np.minimum(got // segment * segment, before_last))
    return offered
