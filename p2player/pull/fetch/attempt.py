"""One try at fetching a blob, by one claim of what its torrent is: pieces to readers, all of them to the verifier."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from p2player.errors import DigestMismatch, StoreDamaged, TransferStalled
from p2player.pull.chain.comparing import BLOCK
from p2player.pull.fetch.holders import Holder
from p2player.store.hashing import tree_of_file
from p2player.store.merkle import MerkleTree
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Progress, Spoilt, Swarms
from p2player.upstream.port import UPSTREAM, UpstreamBlob

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK: Final = 1024 * 1024


class Attempt:
    """A transfer into a staged file. `run` carries it out; readers may read along from the start."""

    def __init__(self, metainfo: Metainfo, holders: Sequence[Holder], store: Store, swarms: Swarms) -> None:
        """Begin at once. Raises DiskFull."""
        self.metainfo = metainfo
        self._store = store
        self._swarms = swarms
        self._holders = dict.fromkeys(holders)
        self._staged = store.stage(metainfo.digest, metainfo.size)
        self._transfer = swarms.fetch(metainfo, self._staged.path, [holder.peer for holder in holders])
        self._rescued = 0
        self._verified: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def size(self) -> int:
        """Bytes in the whole blob, by the claim."""
        return self.metainfo.size

    def connect(self, holders: Sequence[Holder]) -> None:
        """Fetch from these too."""
        self._holders |= dict.fromkeys(holders)
        self._transfer.connect([holder.peer for holder in holders])

    def progress(self) -> Progress:
        """Return how far it is; what was rescued counts as from `upstream`."""
        progress = self._transfer.progress()
        if not self._rescued:
            return progress
        return replace(progress, by_peer={**progress.by_peer, UPSTREAM: self._rescued})

    @property
    def holders(self) -> Sequence[Holder]:
        """Those it was to be fetched from."""
        return tuple(self._holders)

    def spoilt(self) -> Spoilt:
        """Return what has come so far that does not belong to the claimed root."""
        return self._transfer.spoilt()

    async def is_right(self, open_part: Callable[[int, int], AbstractAsyncContextManager[UpstreamBlob]]) -> bool:
        """Tell whether the registry, opened from one byte to another, has the same BLOCK of what is here. Raises P2PlayerError.

        Nobody can foresee which block that is.
        """
        missing = set(self._transfer.missing())
        here = [index for index in range(self.metainfo.piece_count) if index not in missing]
        index = secrets.choice(here)
        start = index * self.metainfo.piece_length
        start += secrets.randbelow(-(-self.metainfo.length_of(index) // BLOCK)) * BLOCK
        stop = min(start + BLOCK, self.size)
        async with open_part(start, stop) as sent:
            there = b"".join([chunk async for chunk in sent.chunks])
        return there == await self.read(start, stop, urgent=True)

    async def rescue(self, open_at: Callable[[int], AbstractAsyncContextManager[UpstreamBlob]]) -> None:
        """Fill in what is missing from the registry, opened at a byte of the blob, until others send more than it does.

        It begins anywhere: many nodes may miss the same pieces, and trade what each of them gets.
        """
        by_others = by_registry = 0
        received, rescued = self._transfer.progress().received, self._rescued
        while by_others <= by_registry and (missing := self._transfer.missing()):
            start = secrets.choice(missing)
            async with open_at(start * self.metainfo.piece_length) as sent:
                await self._fill(start, sent.chunks)
            by_others = self._transfer.progress().received - received
            by_registry = self._rescued - rescued

    async def _fill(self, index: int, chunks: AsyncIterator[bytes]) -> None:
        """Give the transfer its pieces from index on, up to the first that is there by now."""
        piece = bytearray()
        async for chunk in chunks:
            piece += chunk
            while index < self.metainfo.piece_count and len(piece) >= (length := self.metainfo.length_of(index)):
                self._transfer.give(index, bytes(piece[:length]))
                self._rescued += length
                del piece[:length]
                index += 1
            if index not in self._transfer.missing():
                return

    async def read(self, offset: int, stop: int, *, urgent: bool) -> bytes:
        """Return some bytes from offset on, none from stop on, checked against the claimed root.

        Urgent ones are fetched before others. Raises P2PlayerError once the attempt has failed or ended.
        """
        length = self.metainfo.piece_length
        index = offset // length
        if urgent:
            piece = await self._transfer.piece(index)
            start = index * length
            return piece[offset - start : stop - start]
        upto = await self._transfer.written(index) * length
        return await asyncio.to_thread(self._read_file, offset, min(upto, stop, offset + _CHUNK))

    def _read_file(self, start: int, stop: int) -> bytes:
        try:
            with self._staged.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), stop - start, start)
        except FileNotFoundError as error:
            raise TransferStalled(f"{self.metainfo.digest} is no longer under way") from error

    def held(self) -> AbstractContextManager[None]:
        """Do nothing: what is here is in the store afterwards, or nowhere."""
        return nullcontext()

    @property
    def is_verified(self) -> bool:
        """Whether the whole digest has matched."""
        return self._verified.done() and self._verified.exception() is None

    async def verified(self) -> None:
        """Wait until the whole digest has matched; what can be read is right from then on. Raises P2PlayerError."""
        await asyncio.shield(self._verified)

    def was_right(self) -> bool:
        """Tell whether what readers were given is what the store has by now."""
        blob = self._store.get(self.metainfo.digest)
        return blob is not None and blob.root == self.metainfo.root

    async def run(self) -> StoredBlob:
        """Return the blob, in the store and seeded from there. Raises DigestMismatch if the claim was a lie."""
        try:
            tree = await self._fetch_and_check()
            blob = await asyncio.to_thread(self._store.adopt, self._staged, tree)
            await self._transfer.move(self._store.path(blob.digest))
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            await asyncio.to_thread(self._staged.discard)
        return blob

    async def _fetch_and_check(self) -> MerkleTree:
        digest = self.metainfo.digest
        hasher = digest.hasher()
        index, count = 0, self.metainfo.piece_count
        while index < count:
            upto = await self._transfer.written(index)
            await asyncio.to_thread(self._hash_file, hasher, index, upto)
            index = upto
        if hasher.hexdigest() != digest.hex:
            await asyncio.to_thread(self._mind_the_disk)
            raise DigestMismatch(f"what was fetched as {digest} is {digest.algorithm}:{hasher.hexdigest()}")
        # Readers need not wait for the disk as well.
        self._verified.set_result(None)
        return await self._transfer.complete()

    def _mind_the_disk(self) -> None:
        """Raise StoreDamaged if the file is not even what was verified when it came: then nobody else is to blame."""
        if tree_of_file(self._staged.path).root != self.metainfo.root:
            raise StoreDamaged(
                f"the disk gives back other bytes of {self.metainfo.digest} than were written to it",
                hint="check the disk of --data-dir, and what is kept there with: p2player verify",
            )

    def _hash_file(self, hasher: "_Hash", first: int, behind: int) -> None:
        length = self.metainfo.piece_length
        left = min(behind * length, self.metainfo.size) - first * length
        chunk = memoryview(bytearray(_CHUNK))
        with self._staged.path.open("rb", buffering=0) as file:
            file.seek(first * length)
            while left:
                count = file.readinto(chunk[: min(left, _CHUNK)])
                if not count:
                    raise StoreDamaged(f"{self._staged.path} is shorter than what was written to it")
                hasher.update(chunk[:count])
                left -= count
            if behind < self.metainfo.piece_count:
                # Or the disk would get everything at once in the end, with all readers waiting: 0.35 s a GiB.
                os.fdatasync(file.fileno())

    def _fail(self, error: BaseException) -> None:
        reason = error if isinstance(error, Exception) else TransferStalled(f"{self.metainfo.digest} was given up")
        self._transfer.fail(reason)
        self._swarms.abandon(self._transfer)
        if not self._verified.done():
            self._verified.set_exception(reason)
            self._verified.exception()  # there may be no reader
