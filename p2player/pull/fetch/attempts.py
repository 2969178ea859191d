"""The attempts at one blob, one after the other: asked of its holders, by a swarm, or as a stream."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from p2player.errors import NotAllowed, NotFound, P2PlayerError, Unavailable
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.chain.resume import Resume
from p2player.pull.chain.streaming import StreamAttempt
from p2player.pull.fetch.attempt import Attempt
from p2player.pull.fetch.holders import Claim, Holder, Lead, Origin
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.pull.fetch.small import first_answer
from p2player.pull.integrity.liars import Liars
from p2player.pull.integrity.sampling import is_something_else
from p2player.pull.parts import Parts
from p2player.store.rows import StoredBlob
from p2player.swarm.port import Progress
from p2player.tasks import Tasks

_ENTER_SECONDS = 3.0
"""How long a fetch from a registry waits for the DHT: others are found later too, by then at the price of some bytes."""


class Attempts:
    """How a blob is fetched, what is known of it by now, and what one attempt leaves for the next."""

    def __init__(
        self, lead: Lead, parts: Parts, tasks: Tasks, liars: Liars, on_doubt: Callable[[Attempt], None]
    ) -> None:
        """Begin with this lead; `on_doubt` hears of an attempt if the registry has other bytes than come by it."""
        self.lead = lead
        self.begun: asyncio.Future[Attempt | StreamAttempt] = asyncio.get_running_loop().create_future()
        """The attempt that can be read along with, or the next if there is none."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once that is over and was in vain."""
        self.was_relayed = False
        """Whether anything of the last stream came from other nodes."""
        self._parts = parts
        self._tasks = tasks
        self._liars = liars
        self._on_doubt = on_doubt
        self._note = partial(parts.journal.add, lead.digest)
        self._size = lead.size if not lead.sighting.claims or lead.size == lead.known_size else None
        """Bytes in the blob by its manifest or registry; None: only those who claim to have it have said so far."""
        self._small_from: Mapping[str, int] = {}
        self._resume: Resume | None = None
        """What the next stream begins with, after one that went wrong."""
        self._avoided = frozenset[NodeId]()
        """Those whose bytes are not what the registry has."""

    @property
    def current(self) -> Attempt | StreamAttempt | None:
        """The attempt that can be read along with, if there is one."""
        return self.begun.result() if self.begun.done() else None

    @property
    def stream(self) -> StreamAttempt | None:
        """The current attempt, if it is a stream."""
        return self.current if isinstance(self.current, StreamAttempt) else None

    def progress(self) -> Progress:
        """Return how far the current attempt is."""
        return self.current.progress() if self.current else Progress(0, 0)

    @property
    def by_peer(self) -> Mapping[str, int]:
        """Bytes so far by the peer they came from."""
        return self.current.progress().by_peer if self.current else self._small_from

    def also_from(self, origin: Origin | None) -> bool:
        """Take note where the blob can be had as well; tell whether that is news."""
        is_news = self.lead.origin is None and origin is not None
        if is_news:
            self.lead = replace(self.lead, origin=origin)
        return is_news

    def connect(self, holders: Sequence[Holder]) -> None:
        """Fetch from these too."""
        if self.current:
            self.current.connect(holders)

    def avoid(self, attempt: Attempt) -> None:
        """Stream nothing from those by whom this attempt goes."""
        self._avoided |= {holder.node for holder in attempt.holders if holder.node}

    def by_claim(self, claim: Claim) -> Coroutine[Any, Any, StoredBlob]:
        """Fetch the blob by a claim, and return it. Raises P2PlayerError, DigestMismatch if the claim was a lie."""
        self.lead = replace(self.lead, size=claim.metainfo.size)
        return self._ask(claim) if claim.metainfo.size <= SMALL_BLOB else self._swarm(claim)

    async def by_stream(self, claimed_size: int | None, *, alone: bool) -> StoredBlob:
        """Fetch the blob from its registry or, unless alone, from those who do, and return it. Raises P2PlayerError."""
        parts = self._parts
        # Who was wrong about the blob before may have been wrong about its size.
        self.lead = replace(self.lead, size=claimed_size or await self._size_without_claim())
        resume, self._resume = self._resume, None
        if resume is not None and (alone or (resume.front and resume.front.staged.size != self.lead.size)):
            await _forget(resume)
            resume = None
        attempt = StreamAttempt(
            self.lead,
            parts.node_id,
            alone=alone,
            resume=resume,
            enter=self._enter,
            store=parts.store,
            access=parts.access,
            peers=parts.peers,
            relays=parts.relays,
            trust=parts.trust,
            avoided=self._avoided,
            ban=self._liars.ban,
            journal=parts.journal,
        )
        self.begun.set_result(attempt)
        try:
            blob = await attempt.run()
        except BaseException:
            self._resume, self.was_relayed = attempt.resume, attempt.is_relayed
            await self._end(goes_on=self._resume is not None)
            raise
        parts.holdings.seed([blob])
        return blob

    async def rescue(self) -> None:
        """Get from the registry, if there is one, what a swarm does not send."""
        origin, attempt = self.lead.origin, self.current
        if origin is None or not isinstance(attempt, Attempt):
            return
        try:
            await attempt.rescue(partial(self._parts.access.open, origin, self.lead.digest))
        except P2PlayerError as error:
            self._note(f"the registry does not help: {error}")

    async def close(self) -> None:
        """Forget what was kept for another attempt: there will be none."""
        if self._resume is not None:
            await _forget(self._resume)
            await self._parts.holdings.withdraw([self.lead.digest])

    async def _ask(self, claim: Claim) -> StoredBlob:
        digest = self.lead.digest
        liars: list[Holder] = []
        try:
            data, holder = await first_answer(self._parts.peers, claim.holders, digest, liars.append)
        finally:
            await self._liars.ban(f"sent other bytes than {digest}", *(liar.node for liar in liars if liar.node))
        blob = await asyncio.to_thread(self._parts.store.put, digest, data)
        self._small_from = {str(holder): len(data)}
        return blob

    async def _swarm(self, claim: Claim) -> StoredBlob:
        attempt = Attempt(claim.metainfo, claim.holders, self._parts.store, self._parts.swarms)
        self.begun.set_result(attempt)
        # Others who want the same blob now can trade pieces with this node from here on.
        announcing = self._tasks.spawn(
            self._parts.holdings.announce_partial(self.lead.digest, attempt.size, claim.metainfo.root), "announce"
        )
        comparing = self._tasks.spawn(self._compare(attempt), "compare")
        try:
            return await attempt.run()
        except BaseException:
            announcing.cancel()
            await self._end()
            raise
        finally:
            comparing.cancel()
            self._liars.suspect(attempt.spoilt(), attempt.holders)

    async def _compare(self, attempt: Attempt) -> None:
        try:
            is_made_up = await is_something_else(
                attempt, lambda: self.lead.origin, self._parts.access, self._parts.trust
            )
        except P2PlayerError as error:
            self._note(f"the registry does not tell: {error}")
        else:
            if is_made_up:
                self._on_doubt(attempt)

    async def _size_without_claim(self) -> int:
        """Return bytes in the blob: as its manifest or registry says or, without those, somebody who fetches it."""
        lead = self.lead
        if self._size is None and lead.origin is not None:
            with suppress(Unavailable, NotFound, NotAllowed):
                self._size = await self._parts.access.size(lead.origin, lead.digest)
        return self._size or lead.sighting.fetched_size or lead.size

    async def _enter(self) -> Sequence[Holder]:
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENTER_SECONDS):
                await self._parts.holdings.announce_partial(self.lead.digest, self.lead.size, b"")
                return (await self._parts.search.look(self.lead.digest, LIKELY_ENOUGH)).holders
        return self.lead.sighting.holders

    async def _end(self, *, goes_on: bool = False) -> None:
        # Who comes to read now waits for the next attempt.
        self.begun = asyncio.get_running_loop().create_future()
        self.ended.set_result(None)
        self.ended = asyncio.get_running_loop().create_future()
        if not goes_on:
            await self._parts.holdings.withdraw([self.lead.digest])


async def _forget(resume: Resume) -> None:
    if resume.front is not None:
        await asyncio.to_thread(resume.front.staged.discard)
