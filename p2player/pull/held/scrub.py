"""Finds what the disk has spoilt: blobs are hashed again soon after they were served here, and all of them once in a while.

What could not be read for another node is hashed at once, fresh or not.

Nothing checks a file of the store while it is served: its client does, and asks again. By then a spoilt blob is out of the
store, and is fetched like any other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from p2player.oci.digest import Digest
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.tasks import loop_time

log = logging.getLogger(__name__)

FRESH: Final = 24 * 3600.0
"""Seconds for which a blob is good after it was hashed, however often it is served."""
ROUND: Final = 7 * 24 * 3600.0
"""Seconds after which a blob is hashed again that nobody asked for."""
QUIET: Final = 60.0
"""Seconds after one blob before the next that nobody asked for, at least. What was served does not wait: it may be wrong."""
_SHARE: Final = 50
"""How many times as long as the hashing itself that pause is: 2 % of a core, and of what the disk can read."""


class Scrub:
    """Hashes one blob at a time, in the background. `drop` is told of those that must be offered no longer."""

    def __init__(self, store: Store, drop: Callable[[Sequence[StoredBlob]], Awaitable[None]]) -> None:
        self._store = store
        self._drop = drop
        self._hashed: dict[StoredBlob, float] = {}  # when
        self._served: asyncio.Queue[StoredBlob] = asyncio.Queue()
        self._queued: set[StoredBlob] = set()

    def served(self, blob: StoredBlob) -> None:
        """Take note that a client is being given this blob."""
        self._enqueue(blob, FRESH)

    def unreadable(self, digest: Digest) -> None:
        """Take note that some of a blob could not be read here."""
        if (blob := self._store.get(digest)) is not None:
            self._enqueue(blob, QUIET)

    def _enqueue(self, blob: StoredBlob, fresh: float) -> None:
        if blob not in self._queued and not self._is_fresh(blob, fresh):
            self._queued.add(blob)
            self._served.put_nowait(blob)

    async def run(self) -> None:
        """Hash what was served or is due, for ever."""
        pause = QUIET
        while True:
            try:
                async with asyncio.timeout(pause):
                    blob = await self._served.get()
            except TimeoutError:
                due = [blob for blob in self._store.blobs() if not self._is_fresh(blob, ROUND)]
                if not due:
                    continue
                blob = due[0]
            began = loop_time()
            await self._check(blob)
            self._queued.discard(blob)
            pause = max(QUIET, _SHARE * (loop_time() - began))

    async def _check(self, blob: StoredBlob) -> None:
        self._hashed[blob] = loop_time()
        try:
            checked = await asyncio.to_thread(self._store.check, blob)
        except Exception as error:  # noqa: BLE001  (a disk fails in many ways, and the next blob may lie on a good part of it)
            log.warning("cannot hash %s again: %s", blob.digest, error)
            return
        if checked is None:
            del self._hashed[blob]
        elif not checked.ok:
            log.warning("the disk has spoilt %s: %s", blob.digest, checked.reason)
            del self._hashed[blob]
            await self._drop([blob])

    def _is_fresh(self, blob: StoredBlob, seconds: float) -> bool:
        return loop_time() - self._hashed.get(blob, -ROUND) < seconds
