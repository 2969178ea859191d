"""What a container runtime has already, offered to the cluster from where it lies, and followed.

Each runtime's store has a `Follower`. It looks at the directory every second, which costs one `stat` as long as nothing
comes or goes. What came is hashed once, in a thread that rests longer than it works, since a first start may find a
hundred gigabytes; then it is entered in our store as a link, seeded and announced. What went is withdrawn at once.

Images of a runtime may be private, and it does not say which are. So whatever is adopted is private until its registry
has shown it to an asker without a login: of configured registries the follower asks itself for what the runtime knows the
source of, and for the rest the endpoint asks when somebody wants it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from p2player.errors import DigestMismatch, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.runtime.containerd import ContentStore, Seen
from p2player.store.adopted import Measured, measure
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.tasks import Tasks
from p2player.upstream.port import Asker, Kind

log = logging.getLogger(__name__)

_INTERVAL: Final = 1.0
_SETTLING: Final = 1.0
"""Seconds from the first new blob to the hashing: a pull notes the source of a blob just after it has put it there."""
_ANEW: Final = 60.0
"""Seconds after which everything is looked at again, whatever the directory's time says."""
_REST: Final = 2.0
"""Seconds of rest for a second of hashing."""
_BATCH: Final = 64
_BATCH_SECONDS: Final = 0.5
_ASKED_AT_ONCE: Final = 4


class Offers(Protocol):
    """What `pull.held.holdings.Holdings` does for the blobs of a store."""

    async def add(self, blobs: Sequence[StoredBlob]) -> None:
        """Seed and announce them."""

    async def drop(self, blobs: Sequence[StoredBlob]) -> None:
        """Seed and announce them no longer."""


class Access(Protocol):
    """What `pull.access.access.Access` knows of who may have what."""

    async def allow(self, digest: Digest, repository: Repository | None, kind: Kind, asker: Asker) -> None:
        """Raise a P2PlayerError if asker may not have a digest; what is shown to be open to everybody is noted as such."""


class Adoption:
    """The followers of a node, from `start` to `close`."""

    def __init__(
        self,
        store: Store,
        offers: Offers,
        access: Access,
        contents: Sequence[ContentStore],
        *,
        registries: Sequence[str] = (),
    ) -> None:
        """Follow contents; registries are the configured ones, which may be asked for what nobody has asked for."""
        self._store = store
        self._offers = offers
        self._contents = contents
        hashing = asyncio.Semaphore()
        self._followers = [Follower(content, store, offers, access, registries, hashing) for content in contents]

    async def start(self) -> None:
        """Go on with what was adopted before, and let go of what is of runtimes that are not followed any more.

        Raises StorageError if a runtime's blobs may not be read.
        """
        for content in self._contents:
            await asyncio.to_thread(content.check)
        owners = await asyncio.to_thread(self._store.adopted.owners)
        followed = {content.owner for content in self._contents}
        if left := [digest for digest, owner in owners.items() if owner not in followed]:
            blobs = [blob for digest in left if (blob := self._store.get(digest))]
            await asyncio.to_thread(self._store.adopted.release, left)
            await self._offers.drop(blobs)
        for follower in self._followers:
            follower.start(digest for digest, owner in owners.items() if owner == follower.owner)

    async def close(self) -> None:
        """Stop following. What was adopted stays offered as long as the node runs."""
        for follower in self._followers:
            await follower.close()


class Follower:
    """Follows one content store."""

    def __init__(
        self,
        content: ContentStore,
        store: Store,
        offers: Offers,
        access: Access,
        registries: Sequence[str],
        hashing: asyncio.Semaphore,
    ) -> None:
        self.owner = content.owner
        self._content = content
        self._store = store
        self._offers = offers
        self._access = access
        self._registries = registries
        self._hashing = hashing
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._tasks = Tasks(f"adoption of {content.owner}")
        self._pace = _Pace()
        self._there: frozenset[Digest] = frozenset()
        self._held: dict[Digest, StoredBlob] = {}
        self._refused: set[Digest] = set()
        self._news = asyncio.Event()

    def start(self, held: Iterable[Digest]) -> None:
        """Follow from now on; held are those that were adopted earlier."""
        self._held = {digest: blob for digest in held if (blob := self._store.get(digest))}
        self._tasks.spawn(self._watch(), "watch")
        self._tasks.spawn(self._take_news(), "take")

    async def close(self) -> None:
        """Stop, in the middle of a file if need be."""
        self._pace.stop()
        await self._tasks.close()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seen: Seen | None = None
        anew = 0.0
        failed = False
        while True:
            if loop.time() >= anew:
                seen, anew = None, loop.time() + _ANEW
            try:
                looked = await asyncio.to_thread(self._content.look, seen)
                if looked is not seen:
                    await self._compare(looked)
                seen, failed = looked, False
            except (OSError, P2PlayerError) as error:
                log.log(
                    logging.DEBUG if failed else logging.WARNING, "%s cannot be followed now: %s", self.owner, error
                )
                seen, failed = None, True
            await asyncio.sleep(_INTERVAL)

    async def _compare(self, looked: Seen) -> None:
        self._there = looked.blobs
        self._refused &= looked.blobs
        if gone := self._held.keys() - looked.blobs:
            await self._let_go(gone)
        self._news.set()

    async def _let_go(self, gone: Iterable[Digest]) -> None:
        blobs = {digest: self._held[digest] for digest in gone}
        await asyncio.to_thread(self._store.adopted.release, blobs)
        # What is still there is our own by now.
        await self._offers.drop([blob for blob in blobs.values() if self._store.get(blob.digest) is None])
        for digest in blobs:
            self._held.pop(digest, None)
        log.info("%s has removed %d blobs", self.owner, len(blobs))

    async def _take_news(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(_SETTLING)
            self._news.clear()
            try:
                await self._take_all()
            except (OSError, P2PlayerError) as error:
                log.warning("blobs of %s are not offered for now: %s", self.owner, error)

    async def _take_all(self) -> None:
        ours = {blob.digest for blob in self._store.blobs()}
        new = self._there - ours - self._refused
        if not new:
            return
        sources = await self._content.repositories()
        loop = asyncio.get_running_loop()
        batch: list[Measured] = []
        due = loop.time() + _BATCH_SECONDS
        for left, digest in zip(reversed(range(len(new))), sorted(new), strict=True):
            async with self._hashing:
                batch += await self._measure(digest)
            # Each commit waits for the disk, so small blobs share one.
            if batch and (not left or len(batch) == _BATCH or loop.time() >= due):
                for blob in await asyncio.to_thread(self._store.adopted.take, batch, self.owner):
                    self._held[blob.digest] = blob
                    self._tasks.spawn(self._offer(blob, sources.get(blob.digest, ())), f"offer {blob.digest}")
                batch, due = [], loop.time() + _BATCH_SECONDS

    async def _measure(self, digest: Digest) -> list[Measured]:
        """Return what hashing says of a blob, or nothing if it is not there any more or not what it is named."""
        if digest not in self._there:
            return []
        try:
            return [await asyncio.to_thread(self._pace.measure, self._content.path(digest), digest)]
        except DigestMismatch as error:
            log.warning("a blob of %s is damaged and not offered: %s", self.owner, error)
            self._refused.add(digest)
        except FileNotFoundError:
            pass
        return []

    async def _offer(self, blob: StoredBlob, sources: Iterable[Repository]) -> None:
        await self._offers.add([blob])
        if blob.digest not in self._there:
            self._held[blob.digest] = blob
            await self._let_go([blob.digest])
            return
        await self._show(blob, sources)

    async def _show(self, blob: StoredBlob, sources: Iterable[Repository]) -> None:
        """Let a registry show that it gives a blob to everybody.

        Only those are asked that were configured: the word of another is not enough, and more than its word is a pull.
        """
        for source in sources:
            for registry in self._registries:
                # containerd notes a registry's host without its port.
                if source.registry not in {registry, registry.rpartition(":")[0]}:
                    continue
                kind: Kind = "manifests" if blob.media_type else "blobs"
                try:
                    async with self._asking:
                        await self._access.allow(blob.digest, Repository(registry, source.path), kind, "anonymous")
                except P2PlayerError as error:
                    log.debug("%s does not show %s to everybody: %s", registry, blob.digest, error)
                else:
                    return


class _Pace:
    """Makes a thread that hashes rest between its chunks, and end when it is told to."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._since = 0.0

    def measure(self, path: Path, digest: Digest) -> Measured:
        """Return what hashing says of a file; see store.adopted. Raises _StoppedError too."""
        self._since = time.monotonic()
        return measure(path, digest, self._rest)

    def _rest(self, _: int) -> None:
        if self._stopped.wait((time.monotonic() - self._since) * _REST):
            raise _StoppedError
        self._since = time.monotonic()

    def stop(self) -> None:
        """Rest no more, and do not go on."""
        self._stopped.set()


class _StoppedError(Exception):
    """Ends the hashing, in a thread that nobody waits for."""
