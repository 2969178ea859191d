"""A blob that is coming in, for those who follow: its segments as they become whole, with who vouches for each.

What comes from another node is taken in checked segments only. What comes from the registry is taken as it comes, and
vouched for by this node once somebody follows. The last segment is passed on only after the whole digest has matched: so
nobody behind an honest node ever completes a blob that is not what its digest says.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from p2player.errors import PeerUnreachable, StoreDamaged
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId
from p2player.peer.segments import Segment, end_of, new_run, segment_bytes, start_of
from p2player.peer.standing import Neighbour, Place
from p2player.pull.chain.growing import Growing
from p2player.store.staging import Staged

_RECENT: Final = 1024 * 1024
"""Bytes of segments that are kept in memory for who follows closely."""


@dataclass(frozen=True, slots=True)
class Received:
    """A segment that another node has sent, and over which connection."""

    segment: Segment
    sender: NodeId | None
    """Who sent it; None if nothing that it has signed says that it is to be found at that address."""
    connection: object


@dataclass(frozen=True, slots=True)
class Front:
    """The first segments of a blob, in a staged file, kept from a fetch that has failed behind them."""

    staged: Staged
    segments: tuple[Segment | None, ...] = ()
    received: tuple[Received, ...] = ()

    @property
    def length(self) -> int:
        """How many bytes they are."""
        return len(self.segments) * segment_bytes(self.staged.size)


class Incoming:
    """A fetch that is under way here. Whoever fetches keeps its `place` right, and may set `on_warning`."""

    def __init__(self, growing: Growing, digest: Digest, identity: Identity, front: Front) -> None:
        self.place = Place()
        self.size = growing.size
        self._step = segment_bytes(growing.size)
        self.received = list(front.received)
        self.followers = 0
        """How many nodes take it from here just now."""
        self.on_warning: Callable[[Neighbour, int], None] = lambda _by, _wrong: None
        self._growing = growing
        self._digest = digest
        self._identity = identity
        self._segments = list(front.segments)
        """Who vouches for each whole segment; None: this node would, if it were asked."""
        self._run = new_run()
        self._reread_run = new_run()
        self._front = bytearray()
        """What the registry has sent of a segment that is not whole yet."""
        self._recent: dict[int, bytes] = {}
        self._verified: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def offset(self) -> int:
        """Bytes that are here to be passed on, from the front."""
        whole = min(len(self._segments) * self._step, self.size)
        if whole < self.size or self.is_verified:
            return whole
        return max(len(self._segments) - 1, 0) * self._step

    @property
    def boundary(self) -> int:
        """Where the first segment begins that is not whole: from there on others are followed."""
        return min(len(self._segments) * self._step, self.size)

    @property
    def is_verified(self) -> bool:
        """Whether the whole digest has matched."""
        return self._verified.done() and self._verified.exception() is None

    async def verified(self) -> None:
        """Wait until the whole digest has matched. Raises P2PlayerError."""
        await asyncio.shield(self._verified)

    def release(self) -> None:
        """Take note that the whole digest has matched."""
        self._verified.set_result(None)

    def fail(self, error: Exception) -> None:
        """Give error to all who wait for bytes, or for the last ones."""
        self._growing.fail(error)
        if not self._verified.done():
            self._verified.set_exception(error)
            self._verified.exception()  # there may be nobody

    async def append(self, data: bytes) -> None:
        """Take the next bytes from the registry. Raises what `Growing.append` does."""
        before = self._growing.offset
        try:
            await self._growing.append(data)
        finally:
            # Also when it is cancelled: what was taken has to be accounted for.
            self._account(data[: self._growing.offset - before])

    async def add(self, received: Received, data: bytes, check: Callable[[], None]) -> int:
        """Take the next segment from another node, unless `check` raises, and return how many of its bytes were new.

        Raises PeerUnreachable if it differs from what the registry has sent of it, and what `Growing.append` does.
        """
        if not data.startswith(self._front):
            raise PeerUnreachable(f"another node sends other bytes of {self._digest} than the registry")
        new = data[len(self._front) :]
        before = self._growing.offset
        try:
            await self._growing.append(new, check=check)
        finally:
            if self._growing.offset > before:
                self._front.clear()
                self.received.append(received)
                self._close(received.segment, data)
        return len(new)

    def front(self, offset: int) -> str:
        """Return the digest of the first offset bytes, a number of whole segments, in hex; empty if it is not known."""
        return self._growing.front(offset)

    def has_received(self, offset: int) -> bool:
        """Tell whether the segment with the byte at offset is here, and another node has sent it."""
        start = start_of(offset, self.size)
        return any(each.segment.offset == start for each in self.received)

    def warned(self, by: Neighbour, wrong: int) -> None:
        """Tell whoever fetches that a node says that some bytes, from `wrong` on, are not what the registry has."""
        self.on_warning(by, wrong)

    def kept(self, staged: Staged, length: int) -> Front:
        """Return the first length bytes, which are whole segments, for another fetch to begin with."""
        received = tuple(each for each in self.received if each.segment.offset < length)
        return Front(staged, tuple(self._segments[: length // self._step]), received)

    async def read(self, start: int) -> AsyncGenerator[tuple[Segment, bytes], None]:
        """Yield the segments from the one at start on as they become whole. Raises once they come no more."""
        with self._growing.held(), self._followed():
            while start < self.size:
                stop = end_of(start, self.size)
                await self._growing.reached(stop)
                if stop == self.size:
                    await self.verified()
                yield await self._signed(start, stop)
                start = stop

    @contextmanager
    def _followed(self) -> Iterator[None]:
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    async def _signed(self, start: int, stop: int) -> tuple[Segment, bytes]:
        index = start // self._step
        data = self._recent.get(index)
        if data is None:
            return await self._signed_again(index, start, stop)
        return self._segments[index] or self._sign(index, self._run, start, data), data

    async def _signed_again(self, index: int, start: int, stop: int) -> tuple[Segment, bytes]:
        """Return a segment whose bytes have to be read from the disk, which may have changed them."""
        data = await self._growing.read_all(start, stop)
        if (segment := self._segments[index]) is None:
            # In a run of its own: that the whole digest matched says nothing about what the disk gives back.
            segment = self._sign(index, self._reread_run, start, data)
        elif not segment.is_of(data):
            raise StoreDamaged(f"the disk gives back other bytes of {self._digest} than were written to it")
        return segment, data

    def _sign(self, index: int, run: bytes, start: int, data: bytes) -> Segment:
        self._segments[index] = segment = Segment.sign(self._identity, run, self._digest, self.size, start, data)
        return segment

    def _account(self, data: bytes) -> None:
        self._front += data
        while (index := len(self._segments)) * self._step < self.size:
            length = end_of(self.boundary, self.size) - self.boundary
            if len(self._front) < length:
                return
            self._recent[index] = bytes(self._front[:length])
            del self._front[:length]
            self._close(None, self._recent[index])

    def _close(self, segment: Segment | None, data: bytes) -> None:
        index = len(self._segments)
        self._segments.append(segment)
        self._recent[index] = data
        self._recent.pop(index - _RECENT // self._step, None)
