"""One blob being fetched: `hunt` decides, this carries it out. One flight a digest, any number of onlookers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2player.counters import Counters
from p2player.dht.discovery import Discovery
from p2player.errors import DigestMismatch, DiskFull, P2PlayerError, TransferStalled, Unavailable
from p2player.oci.digest import Digest
from p2player.peer.client import PeerClient
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.attempt import Attempt
from p2player.pull.holders import Claim, Holder
from p2player.pull.holdings import Holdings
from p2player.pull.hunt import Ban, Begin, Command, Connect, Drop, GiveUp, Hunt, Look
from p2player.pull.journal import Journal
from p2player.pull.search import Search
from p2player.pull.small import first_answer
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.swarm.port import Progress, Swarms
from p2player.tasks import Tasks

log = logging.getLogger(__name__)

_TICK = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a node that a flight works with."""

    store: Store
    discovery: Discovery
    search: Search
    swarms: Swarms
    peers: PeerClient
    holdings: Holdings
    counters: Counters
    journal: Journal


@dataclass(frozen=True, slots=True)
class _Found:
    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class _Landed:
    blob: StoredBlob


@dataclass(frozen=True, slots=True)
class _Failed:
    claim: Claim
    error: P2PlayerError


@dataclass(frozen=True, slots=True)
class _Broke:
    """A failure of ours."""

    error: Exception


class Flight:
    """The fetch of one digest, from the first claims to the store. `run` is its life; everybody else looks on."""

    def __init__(self, digest: Digest, claims: Sequence[Claim], parts: Parts) -> None:
        self.digest = digest
        self.claims = claims
        self._parts = parts
        self._tasks = Tasks(f"flight {digest.short}")
        self._hunt = Hunt(digest, frozenset(NodeId(raw) for raw in parts.store.bans()), self._now())
        self._events: asyncio.Queue[_Found | _Landed | _Failed | _Broke] = asyncio.Queue()
        self._claim: Claim | None = None
        self._trying: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        self._landed: asyncio.Future[StoredBlob] = asyncio.get_running_loop().create_future()
        self._small_from: Mapping[str, int] = {}
        self._received = 0
        self._began = self._now()

    async def attempt(self) -> Attempt | None:
        """Return the attempt to read along with, or None once the blob is in the store. Raises P2PlayerError."""
        attempt = self._attempt
        outcomes: list[asyncio.Future[Any]] = [attempt, self._landed]
        await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        if self._landed.done():
            self._landed.result()
            return None
        return attempt.result()

    async def landed(self) -> StoredBlob:
        """Return the blob once it is in the store. Raises P2PlayerError."""
        return await asyncio.shield(self._landed)

    @property
    def size(self) -> int:
        """Bytes in the whole blob, by the claim that is tried now."""
        return self.claims[0].metainfo.size

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

    async def run(self) -> None:
        """Fetch the blob; `landed` tells the outcome."""
        try:
            try:
                # It may have come in since its holders were looked for.
                blob = self._parts.store.get(self.digest) or await self._fly()
            finally:
                await self._tasks.close()
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
        commands = self._hunt.found(self.claims, self._now())
        while True:
            for command in commands:
                await self._carry_out(command)
            try:
                event = await asyncio.wait_for(self._events.get(), _TICK)
            except TimeoutError:
                commands = self._tick()
                continue
            match event:
                case _Landed(blob):
                    return blob
                case _Found(claims):
                    commands = self._hunt.found(claims, self._now())
                case _Failed(claim) if claim is not self._claim:
                    commands = []  # it was dropped before it failed
                case _Failed(_, DigestMismatch() as error):
                    self._note(f"the claim was a lie: {error}")
                    commands = self._hunt.lied(self._now())
                case _Failed(_, (Unavailable() | DiskFull()) as error):
                    commands = self._hunt.failed(error, self._now())
                case _Failed(_, error) | _Broke(error):
                    raise error

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Look(want):
                self._tasks.spawn(self._look(want), "look")
            case Begin(claim):
                self._note(f"fetching {claim.metainfo.size} bytes from {_names(claim.holders)}")
                self._claim, self.claims = claim, [claim]
                self._trying = self._tasks.spawn(self._try(claim), "attempt")
            case Drop():
                self._note("nothing comes any more from those who announce it")
                await self._drop()
            case Connect(holders):
                self._note(f"also from {_names(holders)}")
                if self._attempt.done():
                    self._attempt.result().connect(holders)
            case Ban(nodes):
                await self._ban(nodes)
            case GiveUp(error):
                raise error

    async def _drop(self) -> None:
        self._claim = None
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait({self._trying})

    def _tick(self) -> list[Command]:
        progress = self._attempt.result().progress() if self._attempt.done() else Progress(0, 0)
        # To check and keep what has come whole may take a slow disk longer than a stall.
        if progress.received > self._received or progress.done == self.size:
            self._hunt.received(self._now())
        self._received = progress.received
        return self._hunt.tick(self._now())

    async def _look(self, want: int) -> None:
        try:
            self._events.put_nowait(_Found(await self._parts.search.look(self.digest, want)))
        except Exception as error:  # noqa: BLE001  (a bug must end the flight, not leave it waiting)
            self._events.put_nowait(_Broke(error))

    async def _try(self, claim: Claim) -> None:
        try:
            if claim.metainfo.size <= SMALL_BLOB:
                blob = await self._ask(claim)
            else:
                blob = await self._swarm(claim)
        except P2PlayerError as error:
            self._events.put_nowait(_Failed(claim, error))
        except Exception as error:  # noqa: BLE001  (as above)
            self._events.put_nowait(_Broke(error))
        else:
            self._parts.counters.add_bytes("peer", blob.size)
            self._note(f"landed after {self.seconds:.2f} s")
            self._events.put_nowait(_Landed(blob))

    async def _ask(self, claim: Claim) -> StoredBlob:
        liars: list[Holder] = []
        try:
            data, holder = await first_answer(self._parts.peers, claim.holders, self.digest, liars.append)
        finally:
            await self._ban([liar.node for liar in liars if liar.node])
        blob = await asyncio.to_thread(self._parts.store.put, self.digest, data)
        self._small_from = {str(holder): len(data)}
        return blob

    async def _swarm(self, claim: Claim) -> StoredBlob:
        attempt = Attempt(claim.metainfo, claim.holders, self._parts.store, self._parts.swarms)
        self._attempt.set_result(attempt)
        # Others who want the same blob now can trade pieces with this node from here on.
        announcing = self._tasks.spawn(self._parts.holdings.announce_partial(claim.metainfo), "announce")
        try:
            return await attempt.run()
        except BaseException:
            # Who comes to read now waits for the next attempt.
            self._attempt = asyncio.get_running_loop().create_future()
            announcing.cancel()
            await self._parts.holdings.withdraw([self.digest])
            raise

    async def _ban(self, nodes: Sequence[NodeId]) -> None:
        for node in nodes:
            self._note(f"banned {node.short}, which lied")
            log.warning("node %s sent wrong bytes for %s and is banned", node, self.digest)
            await asyncio.to_thread(self._parts.store.ban, node.raw, f"sent other bytes than {self.digest}")

    def _note(self, what: str) -> None:
        self._parts.journal.add(self.digest, what)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _names(holders: Sequence[Holder]) -> str:
    return ", ".join(str(holder) if holder.complete else f"{holder} (partial)" for holder in holders)
