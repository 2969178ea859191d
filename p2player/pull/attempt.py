"""One try at fetching a blob, by one claim of what its torrent is: pieces to readers, all of them to the verifier."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from p2player.errors import DigestMismatch, TransferStalled
from p2player.pull.holders import Holder
from p2player.store.merkle import MerkleTree
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Progress, Swarms
from p2player.tasks import Tasks

_READ_BACK: Final = 3
"""Pieces asked for ahead of the one that is hashed."""


class Attempt:
    """A transfer into a staged file. `run` carries it out; readers may read along from the start."""

    def __init__(self, metainfo: Metainfo, holders: Sequence[Holder], store: Store, swarms: Swarms) -> None:
        """Begin at once. Raises DiskFull."""
        self.metainfo = metainfo
        self._store = store
        self._swarms = swarms
        self._staged = store.stage(metainfo.digest, metainfo.size)
        self._transfer = swarms.fetch(metainfo, self._staged.path, [holder.peer for holder in holders])
        self._tasks = Tasks(f"attempt {metainfo.digest.short}")
        self._verified: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connect(self, holders: Sequence[Holder]) -> None:
        """Fetch from these too."""
        self._transfer.connect([holder.peer for holder in holders])

    def progress(self) -> Progress:
        """Return how far it is."""
        return self._transfer.progress()

    async def read(self, offset: int, stop: int, *, urgent: bool) -> bytes:
        """Return bytes from offset on, up to stop or the end of their piece, checked against the claimed root.

        An urgent piece is fetched before others. Raises P2PlayerError once the attempt has failed.
        """
        length = self.metainfo.piece_length
        index = offset // length
        piece = await self._transfer.piece(index, urgent=urgent)
        start = index * length
        return piece[offset - start : stop - start]

    @property
    def is_verified(self) -> bool:
        """Whether the whole digest has matched and the blob is in the store."""
        return self._verified.done() and self._verified.exception() is None

    async def verified(self) -> None:
        """Wait until the whole digest has matched and the blob is in the store. Raises P2PlayerError if it never will."""
        await asyncio.shield(self._verified)

    async def run(self) -> StoredBlob:
        """Return the blob, in the store and seeded from there. Raises DigestMismatch if the claim was a lie."""
        try:
            tree = await self._fetch_and_check()
            blob = await asyncio.to_thread(self._store.adopt, self._staged, tree)
            self._verified.set_result(None)
            await self._transfer.move(self._store.path(blob.digest))
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            await self._tasks.close()
            await asyncio.to_thread(self._staged.discard)
        return blob

    async def _fetch_and_check(self) -> MerkleTree:
        digest = self.metainfo.digest
        hasher = digest.hasher()
        async for piece in self._pieces():
            await asyncio.to_thread(hasher.update, piece)
        if hasher.hexdigest() != digest.hex:
            raise DigestMismatch(f"what was fetched as {digest} is {digest.algorithm}:{hasher.hexdigest()}")
        return await self._transfer.complete()

    async def _pieces(self) -> AsyncIterator[bytes]:
        # The next few are read back while one is hashed: the disk threads answer late when they have much to write.
        reading: deque[asyncio.Task[bytes]] = deque()
        for index in range(self.metainfo.piece_count):
            reading.append(self._tasks.spawn(self._transfer.piece(index, urgent=False), "read"))
            if len(reading) > _READ_BACK:
                yield await reading.popleft()
        for last in reading:
            yield await last

    def _fail(self, error: BaseException) -> None:
        reason = error if isinstance(error, Exception) else TransferStalled(f"{self.metainfo.digest} was given up")
        self._transfer.fail(reason)
        self._swarms.abandon(self._transfer)
        if not self._verified.done():
            self._verified.set_exception(reason)
            self._verified.exception()  # there may be no reader
