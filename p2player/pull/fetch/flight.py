"""One blob being fetched: `hunt` decides, `attempts` carry it out. One flight a digest, any number of onlookers."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from p2player.errors import DigestMismatch, DiskFull, NotAllowed, NotFound, P2PlayerError, TransferStalled, Unavailable
from p2player.peer.identity import NodeId
from p2player.pull.chain.streaming import StreamAttempt
from p2player.pull.fetch.attempt import Attempt
from p2player.pull.fetch.attempts import Attempts
from p2player.pull.fetch.holders import Claim, Holder, Lead, Origin, Sighting
from p2player.pull.fetch.hunt import Ban, Begin, Command, Connect, Drop, GiveUp, Hunt, Look, Rescue, Settle, Stream
from p2player.pull.fetch.pace import Headway
from p2player.pull.integrity.dispute import Verdict
from p2player.pull.integrity.liars import Liars
from p2player.pull.integrity.sampling import givers
from p2player.pull.integrity.settling import settle
from p2player.pull.parts import Parts
from p2player.store import states
from p2player.store.rows import StoredBlob
from p2player.tasks import Tasks, loop_time
from p2player.upstream.port import UPSTREAM

_TICK = 0.25  # seconds


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
    """The registry has other bytes than come by an attempt."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class _Broke:
    """A failure of ours."""

    error: Exception


_Event = _Found | _Settled | _Landed | _Failed | _Doubted | _Broke


class Flight:
    """The fetch of one digest, from the first lead to the store. `run` is its life; everybody else looks on."""

    def __init__(self, lead: Lead, parts: Parts) -> None:
        self.digest = digest = lead.digest
        self._parts = parts
        self._tasks = Tasks(f"flight {digest.short}")
        self._note = partial(parts.journal.add, digest)
        self._hunt = Hunt(
            digest,
            frozenset(map(NodeId, parts.store.bans())),
            loop_time(),
            has_origin=lead.origin is not None,
            can_settle=digest.algorithm == states.ALGORITHM and states.usable(),
            known_size=lead.known_size,
        )
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._liars = Liars(digest, parts)
        self._attempts = Attempts(
            lead, parts, self._tasks, self._liars, lambda attempt: self._events.put_nowait(_Doubted(attempt))
        )
        self._trying: asyncio.Task[None] | None = None
        self._landed: asyncio.Future[StoredBlob] = asyncio.get_running_loop().create_future()
        self._headway = Headway()
        self._began = loop_time()

    async def attempt(self, after: Attempt | StreamAttempt | None = None) -> Attempt | StreamAttempt | None:
        """Return the attempt to read along with, a later one than `after`, or None once the blob is in the store.

        Raises P2PlayerError when there will be none.
        """
        while True:
            attempt = self._attempts.begun
            outcomes: list[asyncio.Future[Any]] = [attempt, self._landed]
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
            if self._landed.done():
                self._landed.result()
                return None
            if attempt.result() is not after:
                return attempt.result()
            outcomes = [self._attempts.ended, self._landed]
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)

    async def landed(self) -> StoredBlob:
        """Return the blob once it is in the store. Raises P2PlayerError."""
        return await asyncio.shield(self._landed)

    @property
    def lead(self) -> Lead:
        """What is known of the blob by now."""
        return self._attempts.lead

    @property
    def size(self) -> int:
        """Bytes in the whole blob, as far as is known now."""
        return self.lead.size

    @property
    def done(self) -> int:
        """Verified bytes so far."""
        return self._attempts.progress().done

    @property
    def by_peer(self) -> Mapping[str, int]:
        """Bytes so far by the peer they came from."""
        return self._attempts.by_peer

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return loop_time() - self._began

    def also_from(self, origin: Origin | None) -> None:
        """Take note where the blob can be had as well, should those who had it so far not be enough."""
        if self._attempts.also_from(origin):
            self._hunt.has_origin = True

    async def run(self) -> None:
        """Fetch the blob; `landed` tells the outcome."""
        try:
            try:
                # It may have come in since its holders were looked for.
                blob = self._parts.store.get(self.digest) or await self._fly()
            finally:
                await self._tasks.close()
                await self._attempts.close()
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
                return self._hunt.settled(verdict, loop_time(), is_final=is_final)
            case _Failed(trying) if trying is not self._trying:
                return []  # it was dropped before it failed
            case _Doubted(attempt):
                return self._doubt(attempt)
            case _Failed(_, DigestMismatch() as error):
                self._note(f"the claim was a lie: {error}")
                return self._hunt.lied(loop_time(), was_relayed=self._attempts.was_relayed)
            case _Failed(_, (Unavailable() | NotFound() | NotAllowed() | DiskFull()) as error):
                return self._hunt.failed(error, loop_time())
            case _Failed(_, error) | _Broke(error):
                raise error

    def _doubt(self, attempt: Attempt) -> list[Command]:
        if attempt is not self._attempts.current:
            return []  # it is over
        self._note("what comes is not what the registry has: asking the registry for it")
        self._attempts.avoid(attempt)
        return self._hunt.doubted(loop_time())

    def _found(self, sighting: Sighting) -> list[Command]:
        if stream := self._attempts.stream:
            stream.connect(sighting.holders)
        return self._hunt.found(sighting.claims, loop_time(), streaming=len(sighting.fetchers))

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Look(want):
                self._spawn(self._look(want), "look")
            case Settle(claims):
                self._note(f"{len(claims)} claims differ: asking for evidence")
                self._spawn(self._hear(claims), "hear")
            case Begin(claim):
                self._note(f"fetching {claim.metainfo.size} bytes from {_names(claim.holders)}")
                self._trying = self._spawn(self._try(self._attempts.by_claim(claim)), "attempt")
            case Stream(alone, size):
                self._trying = self._spawn(self._try(self._attempts.by_stream(size, alone=alone)), "attempt")
            case Rescue():
                self._note("asking the registry for what is missing")
                self._tasks.spawn(self._attempts.rescue(), "rescue")
            case Drop():
                self._note("giving up those who are asked for it: nothing comes, or it is not what they say")
                await self._drop()
            case Connect(holders):
                self._note(f"also from {_names(holders)}")
                self._attempts.connect(holders)
            case Ban(nodes, reason):
                await self._liars.ban(reason, *nodes)
            case GiveUp(error):
                raise error

    async def _drop(self) -> None:
        trying, self._trying = self._trying, None
        await self._tasks.end(trying)

    def _heed_bans(self) -> None:
        self._hunt.banned_meanwhile(frozenset(map(NodeId, self._parts.store.bans())))

    def _tick(self) -> list[Command]:
        self._heed_bans()
        progress = self._attempts.progress()
        if self._headway.is_made(progress.received, progress.done, self.size):
            self._hunt.received(loop_time())
        self._hunt.is_answered = progress.connected > 0
        stream = self._attempts.stream
        self._hunt.is_following = stream is not None and stream.is_following
        commands = self._hunt.streamed(progress.done, loop_time(), is_alone=stream.is_alone) if stream else []
        return [*commands, *self._hunt.tick(loop_time())]

    def _spawn(self, doing: Coroutine[Any, Any, _Event], name: str) -> asyncio.Task[None]:
        return self._tasks.spawn(self._tell(doing), name)

    async def _tell(self, doing: Coroutine[Any, Any, _Event]) -> None:
        try:
            event = await doing
        except Exception as error:  # noqa: BLE001  (a bug must end the flight, not leave it waiting)
            event = _Broke(error)
        self._events.put_nowait(event)

    async def _look(self, want: int) -> _Found:
        return _Found(await self._parts.search.look(self.digest, want))

    async def _hear(self, claims: Sequence[Claim]) -> _Settled:
        """Let the holders of claims show which of them is right."""

        def on_delay(verdict: Verdict) -> None:
            self._events.put_nowait(_Settled(verdict, is_final=False))

        return _Settled(await settle(self.digest, claims, self._parts.peers, on_delay), is_final=True)

    async def _try(self, fetching: Coroutine[Any, Any, StoredBlob]) -> _Landed | _Failed:
        try:
            blob = await fetching
        except P2PlayerError as error:
            return _Failed(asyncio.current_task(), error)
        upstream = self.by_peer.get(UPSTREAM, 0)  # counted where it came in
        self._parts.counters.add_bytes("peer", max(blob.size - upstream, 0))
        await self._liars.find(blob, self._hunt.claims)
        self._note(f"landed after {self.seconds:.2f} s")
        return _Landed(blob)


def _names(holders: Sequence[Holder]) -> str:
    return ", ".join(str(holder) if holder.complete else f"{holder} (partial)" for holder in holders)
