"""One blob being fetched: `hunt` decides, this carries it out. One flight a digest, any number of onlookers."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from p2player.errors import (
    DigestMismatch,
    DiskFull,
    NotAllowed,
    NotFound,
    P2PlayerError,
    TransferStalled,
    Unavailable,
)
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.attempt import Attempt
from p2player.pull.banning import ban
from p2player.pull.chain.streaming import Resume, StreamAttempt
from p2player.pull.dispute import Verdict
from p2player.pull.holders import Claim, Holder, Lead, Origin, Sighting
from p2player.pull.hunt import Ban, Begin, Command, Connect, Drop, GiveUp, Hunt, Look, Rescue, Settle, Stream
from p2player.pull.parts import Parts
from p2player.pull.sampling import givers, is_something_else
from p2player.pull.search import LIKELY_ENOUGH
from p2player.pull.settling import settle
from p2player.pull.small import first_answer
from p2player.store import states
from p2player.store.merkle import piece_length
from p2player.store.rows import StoredBlob
from p2player.swarm.port import Progress, Spoilt
from p2player.tasks import Tasks
from p2player.upstream.port import UPSTREAM

_TICK = 0.25  # seconds
_STEP = 64 * 1024
"""How many bytes count as some. Who sends a few now and then must not keep a fetch from looking for others."""
_ENTER_SECONDS = 3.0
"""How long a fetch from a registry waits for the DHT: others are found later too, by then at the price of some bytes."""


@dataclass(frozen=True, slots=True)
class _Found:
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class _Settled:
    verdict: Verdict
    is_final: bool


@dataclass(frozen=True, slots=True)
class _Landed:
    blob: StoredBlob


@dataclass(frozen=True, slots=True)
class _Failed:
    trying: object
    error: P2PlayerError


@dataclass(frozen=True, slots=True)
class _Doubted:
    """The registry has other bytes."""

    trying: object


@dataclass(frozen=True, slots=True)
class _Broke:
    """A failure of ours."""

    error: Exception


class Flight:
    """The fetch of one digest, from the first lead to the store. `run` is its life; everybody else looks on."""

    def __init__(self, lead: Lead, parts: Parts) -> None:
        self.digest = digest = lead.digest
        self.lead = lead
        self._parts = parts
        self._tasks = Tasks(f"flight {digest.short}")
        bans = frozenset(NodeId(raw) for raw in parts.store.bans())
        self._hunt = Hunt(
            digest,
            bans,
            self._now(),
            has_origin=lead.origin is not None,
            can_settle=digest.algorithm == states.ALGORITHM and states.usable(),
            known_size=lead.known_size,
        )
        self._events: asyncio.Queue[_Found | _Settled | _Landed | _Failed | _Doubted | _Broke] = asyncio.Queue()
        self._trying: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[Attempt | StreamAttempt] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._landed: asyncio.Future[StoredBlob] = asyncio.get_running_loop().create_future()
        self._small_from: Mapping[str, int] = {}
        self._progress = 0, 0
        self._size = lead.size if not lead.sighting.claims or lead.size == lead.known_size else None
        """Bytes in the blob by its manifest or registry; None: only those who claim to have it have said so far."""
        self._resume: Resume | None = None
        """What the next stream begins with, after one that went wrong."""
        self._was_relayed = False
        self._avoided: frozenset[NodeId] = frozenset()
        """Those whose bytes are not what the registry has."""
        self._spoilt: list[tuple[Spoilt, Sequence[Holder]]] = []
        self._began = self._now()

    async def attempt(self, after: Attempt | StreamAttempt | None = None) -> Attempt | StreamAttempt | None:
        """Return the attempt to read along with, a later one than `after`, or None once the blob is in the store.

        Raises P2PlayerError when there will be none.
        """
        while True:
            attempt = self._attempt
            outcomes: list[asyncio.Future[Any]] = [attempt, self._landed]
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
            if self._landed.done():
                self._landed.result()
                return None
            if attempt.result() is not after:
                return attempt.result()
            outcomes = [self._ended, self._landed]
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)

    async def landed(self) -> StoredBlob:
        """Return the blob once it is in the store. Raises P2PlayerError."""
        return await asyncio.shield(self._landed)

    @property
    def size(self) -> int:
        """Bytes in the whole blob, as far as is known now."""
        return self.lead.size

    @property
    def done(self) -> int:
        """Verified bytes so far."""
        return self._attempt.result().progress().done if self._attempt.done() else 0

    @property
    def by_peer(self) -> Mapping[str, int]:
        """Bytes so far by the peer they came from."""
        return self._attempt.result().progress().by_peer if self._attempt.done() else self._small_from

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return self._now() - self._began

    def also_from(self, origin: Origin | None) -> None:
        """Take note where the blob can be had as well, should those who had it so far not be enough."""
        if self.lead.origin is None and origin is not None:
            self.lead = replace(self.lead, origin=origin)
            self._hunt.has_origin = True

    async def run(self) -> None:
        """Fetch the blob; `landed` tells the outcome."""
        try:
            try:
                # It may have come in since its holders were looked for.
                blob = self._parts.store.get(self.digest) or await self._fly()
            finally:
                await self._tasks.close()
                if self._resume is not None:
                    await self._forget(self._resume)
                    await self._parts.holdings.withdraw([self.digest])
        except BaseException as error:
            given_up = TransferStalled(f"the fetch of {self.digest} was given up: nobody waits for it any more")
            reason = error if isinstance(error, Exception) else given_up
            self._note(f"failed: {reason}")
            self._landed.set_exception(reason)
            self._landed.exception()  # there may be no onlooker
            if not isinstance(error, P2PlayerError):
                raise
        else:
            self._landed.set_result(blob)

    async def _fly(self) -> StoredBlob:
        commands = self._found(self.lead.sighting)
        while True:
            for command in commands:
                await self._carry_out(command)
            try:
                async with asyncio.timeout(_TICK):  # wait_for may swallow a cancellation on Python 3.11
                    event = await self._events.get()
            except TimeoutError:
                commands = self._tick()
                continue
            if isinstance(event, _Landed):
                for command in self._hunt.landed(event.blob.size, event.blob.root):
                    await self._carry_out(command)
                confirmed = self._hunt.claims.confirmed(event.blob.size, event.blob.root)
                self._parts.trust.prove(givers(confirmed, self.by_peer))
                return event.blob
            commands = self._react(event)

    def _react(self, event: _Found | _Settled | _Failed | _Doubted | _Broke) -> list[Command]:
        self._heed_bans()
        match event:
            case _Found(sighting):
                return self._found(sighting)
            case _Settled(verdict, is_final):
                return self._hunt.settled(verdict, self._now(), is_final=is_final)
            case _Failed(trying) | _Doubted(trying) if trying is not self._trying:
                return []  # it was dropped before it failed
            case _Doubted():
                return self._doubt()
            case _Failed(_, DigestMismatch() as error):
                self._note(f"the claim was a lie: {error}")
                return self._hunt.lied(self._now(), was_relayed=self._was_relayed)
            case _Failed(_, (Unavailable() | NotFound() | NotAllowed() | DiskFull()) as error):
                return self._hunt.failed(error, self._now())
            case _Failed(_, error) | _Broke(error):
                raise error

    def _doubt(self) -> list[Command]:
        attempt = self._attempt.result()
        if isinstance(attempt, Attempt):
            self._note("what comes is not what the registry has: asking the registry for it")
            self._avoided |= {holder.node for holder in attempt.holders if holder.node}
        return self._hunt.doubted(self._now())

    def _found(self, sighting: Sighting) -> list[Command]:
        if stream := self._running_stream:
            stream.connect(sighting.holders)
        return self._hunt.found(sighting.claims, self._now(), followable=bool(sighting.fetchers))

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Look(want):
                self._tasks.spawn(self._look(want), "look")
            case Settle(claims):
                self._note(f"{len(claims)} claims differ: asking for evidence")
                self._tasks.spawn(self._hear(claims), "hear")
            case Begin(claim):
                self._note(f"fetching {claim.metainfo.size} bytes from {_names(claim.holders)}")
                self.lead = replace(self.lead, size=claim.metainfo.size)
                small = claim.metainfo.size <= SMALL_BLOB
                self._trying = self._tasks.spawn(
                    self._try(self._ask(claim) if small else self._swarm(claim)), "attempt"
                )
            case Stream(alone, size):
                self._trying = self._tasks.spawn(self._try(self._stream(size, alone=alone)), "attempt")
            case Rescue():
                self._note("asking the registry for what is missing")
                self._tasks.spawn(self._rescue(), "rescue")
            case Drop():
                self._note("giving up those who are asked for it: nothing comes, or it is not what they say")
                await self._drop()
            case Connect(holders):
                self._connect(holders)
            case Ban(nodes, reason):
                await self._ban(reason, *nodes)
            case GiveUp(error):
                raise error

    def _connect(self, holders: Sequence[Holder]) -> None:
        self._note(f"also from {_names(holders)}")
        if self._attempt.done():
            self._attempt.result().connect(holders)

    async def _drop(self) -> None:
        trying, self._trying = self._trying, None
        if trying is not None:
            trying.cancel()
            await asyncio.wait({trying})

    def _heed_bans(self) -> None:
        self._hunt.banned_meanwhile(frozenset(map(NodeId, self._parts.store.bans())))

    def _tick(self) -> list[Command]:
        self._heed_bans()
        progress = self._attempt.result().progress() if self._attempt.done() else Progress(0, 0)
        received, done = self._progress
        if progress.received < received:  # it is another attempt by now
            self._progress = received, done = 0, 0
        # To check and keep what has come whole may take a slow disk longer than a stall.
        if progress.received - received >= _STEP or progress.done > done or progress.done == self.size:
            self._hunt.received(self._now())
            self._progress = progress.received, progress.done
        self._hunt.is_answered = progress.connected > 0
        stream = self._running_stream
        self._hunt.is_following = stream is not None and stream.is_following
        commands = self._hunt.streamed(progress.done, self._now(), is_alone=stream.is_alone) if stream else []
        return [*commands, *self._hunt.tick(self._now())]

    @property
    def _running_stream(self) -> StreamAttempt | None:
        attempt = self._attempt.result() if self._attempt.done() else None
        return attempt if isinstance(attempt, StreamAttempt) else None

    async def _look(self, want: int) -> None:
        try:
            self._events.put_nowait(_Found(await self._parts.search.look(self.digest, want)))
        except Exception as error:  # noqa: BLE001  (a bug must end the flight, not leave it waiting)
            self._events.put_nowait(_Broke(error))

    async def _hear(self, claims: Sequence[Claim]) -> None:
        """Let the holders of claims show which of them is right."""

        def on_delay(verdict: Verdict) -> None:
            self._events.put_nowait(_Settled(verdict, is_final=False))

        try:
            verdict = await settle(self.digest, claims, self._parts.peers, on_delay)
        except Exception as error:  # noqa: BLE001  (as above)
            self._events.put_nowait(_Broke(error))
        else:
            self._events.put_nowait(_Settled(verdict, is_final=True))

    async def _try(self, fetching: Coroutine[Any, Any, StoredBlob]) -> None:
        trying = asyncio.current_task()
        try:
            blob = await fetching
        except P2PlayerError as error:
            self._events.put_nowait(_Failed(trying, error))
        except Exception as error:  # noqa: BLE001  (as above)
            self._events.put_nowait(_Broke(error))
        else:
            upstream = self.by_peer.get(UPSTREAM, 0)  # counted where it came in
            self._parts.counters.add_bytes("peer", max(blob.size - upstream, 0))
            await self._settle()
            self._note(f"landed after {self.seconds:.2f} s")
            self._events.put_nowait(_Landed(blob))

    async def _ask(self, claim: Claim) -> StoredBlob:
        liars: list[Holder] = []
        try:
            data, holder = await first_answer(self._parts.peers, claim.holders, self.digest, liars.append)
        finally:
            await self._ban(f"sent other bytes than {self.digest}", *(liar.node for liar in liars if liar.node))
        blob = await asyncio.to_thread(self._parts.store.put, self.digest, data)
        self._small_from = {str(holder): len(data)}
        return blob

    async def _swarm(self, claim: Claim) -> StoredBlob:
        attempt = Attempt(claim.metainfo, claim.holders, self._parts.store, self._parts.swarms)
        self._attempt.set_result(attempt)
        # Others who want the same blob now can trade pieces with this node from here on.
        announcing = self._tasks.spawn(
            self._parts.holdings.announce_partial(self.digest, attempt.size, claim.metainfo.root), "announce"
        )
        comparing = self._tasks.spawn(self._compare(attempt), "compare")
        try:
            return await attempt.run()
        except BaseException:
            announcing.cancel()
            await self._end_attempt()
            raise
        finally:
            comparing.cancel()
            self._spoilt.append((attempt.spoilt(), attempt.holders))

    async def _compare(self, attempt: Attempt) -> None:
        trying = self._trying
        try:
            is_made_up = await is_something_else(
                attempt, lambda: self.lead.origin, self._parts.access, self._parts.trust
            )
        except P2PlayerError as error:
            self._note(f"the registry does not tell: {error}")
        else:
            if is_made_up:
                self._events.put_nowait(_Doubted(trying))

    async def _stream(self, claimed_size: int | None, *, alone: bool) -> StoredBlob:
        parts = self._parts
        # Who was wrong about the blob before may have been wrong about its size.
        self.lead = replace(self.lead, size=claimed_size or await self._size_without_claim())
        resume, self._resume = self._resume, None
        if resume is not None and (alone or (resume.front and resume.front.staged.size != self.lead.size)):
            await self._forget(resume)
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
            ban=self._ban,
            journal=parts.journal,
        )
        self._attempt.set_result(attempt)
        try:
            blob = await attempt.run()
        except BaseException:
            self._resume, self._was_relayed = attempt.resume, attempt.is_relayed
            await self._end_attempt(goes_on=self._resume is not None)
            raise
        parts.holdings.seed([blob])
        return blob

    async def _size_without_claim(self) -> int:
        """Return bytes in the blob: as its manifest or registry says or, without those, somebody who fetches it."""
        lead = self.lead
        if self._size is None and lead.origin is not None:
            with suppress(Unavailable, NotFound, NotAllowed):
                self._size = await self._parts.access.size(lead.origin, self.digest)
        return self._size or lead.sighting.fetched_size or lead.size

    async def _enter(self) -> Sequence[Holder]:
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENTER_SECONDS):
                await self._parts.holdings.announce_partial(self.digest, self.lead.size, b"")
                return (await self._parts.search.look(self.digest, LIKELY_ENOUGH)).holders
        return self.lead.sighting.holders

    async def _rescue(self) -> None:
        origin, attempt = self.lead.origin, self._attempt.result() if self._attempt.done() else None
        if origin is None or not isinstance(attempt, Attempt):
            return
        try:
            await attempt.rescue(partial(self._parts.access.open, origin, self.digest))
        except P2PlayerError as error:
            self._note(f"the registry does not help: {error}")

    @staticmethod
    async def _forget(resume: Resume) -> None:
        if resume.front is not None:
            await asyncio.to_thread(resume.front.staged.discard)

    async def _end_attempt(self, *, goes_on: bool = False) -> None:
        # Who comes to read now waits for the next attempt.
        self._attempt = asyncio.get_running_loop().create_future()
        self._ended.set_result(None)
        self._ended = asyncio.get_running_loop().create_future()
        if not goes_on:
            await self._parts.holdings.withdraw([self.digest])

    async def _settle(self) -> None:
        """Find out who has lied about what came earlier and was not the blob, now that the blob is here."""
        path = self._parts.store.path(self.digest)
        verdict = await asyncio.to_thread(self._parts.trust.settle, self.digest, path)
        await self._ban(f"vouched for wrong bytes of {self.digest}", *sorted(verdict.liars))
        for node in sorted(verdict.suspects):
            self._note(f"{node.short} has signed wrong bytes, or was given them: it is avoided for a while")
        if verdict.suspects:
            # Who says to have it all can be asked for the same pieces again: it has no registry to be misled by.
            whole = [holder for holder in self._hunt.claims.whole() if holder.node in verdict.suspects]
            length = piece_length(self.size)
            names = frozenset(node.short for node in verdict.suspects)
            self._spoilt.append((Spoilt(frozenset(at // length for at in verdict.wrong), names=names), whole))
        for spoilt, holders in self._spoilt:
            self._parts.suspects.question(self.digest, spoilt, holders)

    async def _ban(self, reason: str, *nodes: NodeId) -> None:
        for node in nodes:
            await ban(self._parts.store, self._parts.journal, self.digest, node, reason)

    def _note(self, what: str) -> None:
        self._parts.journal.add(self.digest, what)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _names(holders: Sequence[Holder]) -> str:
    return ", ".join(str(holder) if holder.complete else f"{holder} (partial)" for holder in holders)
