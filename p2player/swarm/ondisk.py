"""Which pieces of one blob are in the file, where others read them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from itertools import count

import libtorrent as lt

from p2player.swarm.arrivals import Arrivals
from p2player.tasks import Tasks

# Seconds between two flushes of what has come meanwhile, so that one serves many pieces.
_FLUSH_EVERY = 0.3


class OnDisk:
    """The pieces that were verified before a flush of libtorrent's cache began, once that has ended.

    have are the verified ones, which its owner goes on adding to.
    """

    def __init__(self, handle: lt.torrent_handle, have: Collection[int], owner: str) -> None:
        self._handle = handle
        self._have = have
        self._pieces: frozenset[int] = frozenset()
        self._flushed: Arrivals[None, None] = Arrivals()
        self._flushing: asyncio.Task[None] | None = None
        self._tasks = Tasks(owner)

    def __contains__(self, index: int) -> bool:
        return index in self._pieces

    def first_missing(self, index: int) -> int:
        """Return the first piece from index on that may not be in the file, or how many there are."""
        return next(i for i in count(index) if i not in self._pieces)

    async def flush(self, finished: Callable[[], Awaitable[None]]) -> None:
        """Have what is verified soon, or once finished returns, in the file. Raises what `fail` was given."""
        if self._flushing is None or self._flushing.done():
            self._flushing = self._tasks.spawn(self._flush(finished), "flush")
        # A flush goes on when its waiter leaves: its alert must not be taken for that of a later one, which would
        # make pieces count as written that are not.
        await asyncio.shield(self._flushing)

    async def _flush(self, finished: Callable[[], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_EVERY):
                await finished()
        if (failure := self._flushed.failure) is not None:
            raise failure
        verified = frozenset(self._have)
        self._handle.flush_cache()
        await self._flushed.wait(None)
        self._pieces = verified

    def on_flushed(self) -> None:
        """Take note that what was written is in the file."""
        self._flushed.arrive(None, None)

    def fail(self, error: Exception) -> None:
        """End it: whoever waits for a flush gets error."""
        self._flushed.fail(error)

    def go_on(self, handle: lt.torrent_handle) -> None:
        """Have another torrent of the same file flush what the last one may have been asked to."""
        self._handle = handle
        if None in self._flushed:
            handle.flush_cache()
