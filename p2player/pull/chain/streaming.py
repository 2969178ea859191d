"""One try at fetching a blob that nobody claims to have: from front to back, from its registry or from a node ahead.

`course` decides from whom, this carries it out. What comes from another node comes in signed segments (see `incoming`); whether
they are right nobody knows until they are all here. What readers get before that is held back by its last bytes, as with any
other blob (see `blob`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from p2player.errors import DigestMismatch, NotAllowed, NotFound, P2PlayerError, TransferStalled, Unavailable
from p2player.peer.client import SentOn
from p2player.peer.identity import NodeId
from p2player.peer.relay import Elsewhere
from p2player.peer.segments import start_of
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.access import Access
from p2player.pull.chain.comparing import BLOCK, Samples, Warnings
from p2player.pull.chain.course import ASK_AT_ONCE, Ask, Command, Course, Fail, Follow, GoUpstream
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Front
from p2player.pull.chain.others import SHUN_SILENT
from p2player.pull.chain.relays import Relays
from p2player.pull.chain.sources import Followable, Forged, NotBelieved, Sources, TooManySigners
from p2player.pull.chain.trust import Trust
from p2player.pull.holders import Holder, Lead
from p2player.pull.journal import Journal
from p2player.store.hashing import tree_of_file
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.swarm.port import Progress
from p2player.tasks import Tasks
from p2player.upstream.port import UPSTREAM

_TICK = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class _Sighted:
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class _Answered:
    node: NodeId
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class _LetIn:
    pump: object
    standing: Standing


@dataclass(frozen=True, slots=True)
class _SentOn:
    pump: object
    instead: Elsewhere


@dataclass(frozen=True, slots=True)
class _Ended:
    pump: object
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Warned:
    """A node says that a block is not what the registry has."""

    by: Neighbour
    wrong: int


@dataclass(frozen=True, slots=True)
class _Spoilt:
    """From this block on, what came is not what the registry has; `next` is what to begin with behind what is right."""

    wrong: int
    next: Follow | GoUpstream | None


_Event = _Sighted | _Answered | _LetIn | _SentOn | _Ended | _Warned | _Spoilt


@dataclass(frozen=True, slots=True)
class Resume:
    """What another attempt begins with once one has failed because of what others sent. Whoever takes it discards its front."""

    front: Front | None
    """What is right of it, if anything is."""
    known: tuple[Neighbour, ...]
    """The others who fetch the blob, at addresses from their records."""
    wrong: int
    """The first block that was wrong here, and may be at the others."""
    next: Follow | GoUpstream | None = None
    """What to do first: whoever finds out goes to the registry, and those it tells follow. None: ask the others."""


class StreamAttempt:
    """A stream into a staged file. `run` carries it out; readers, and nodes behind this one, may read along from the start."""

    def __init__(
        self,
        lead: Lead,
        me: NodeId,
        *,
        alone: bool,
        resume: Resume | None,
        enter: Callable[[], Awaitable[Sequence[Holder]]],
        store: Store,
        access: Access,
        peers: Followable,
        relays: Relays,
        trust: Trust,
        avoided: Container[NodeId],
        ban: Callable[[str, NodeId], Awaitable[None]],
        journal: Journal,
    ) -> None:
        """Make room for it. Raises DiskFull. If alone, no other node is followed; `resume` is what it begins with.

        `enter` makes the fetch known, and returns who else is at it by then; nothing is taken from those to be avoided; `ban` hears
        who has lied, and how.
        """
        self.size = lead.size
        self._lead = lead
        self._alone = alone
        self._enter = enter
        self._store = store
        self._relays = relays
        self._trust = trust
        self._ban = ban
        self._journal = journal
        self._resume = resume
        front = (resume and resume.front) or Front(store.stage(lead.digest, lead.size))
        self._staged = front.staged
        self._growing = Growing(self._staged.path, lead.size, lead.digest.algorithm, front=front.length)
        self._incoming = relays.incoming(lead.digest, self._growing, front)
        self._sources = Sources(
            lead, self._growing, self._incoming, access=access, peers=peers, trust=trust, avoided=avoided
        )
        self._incoming.on_warning = lambda by, wrong: self._events.put_nowait(_Warned(by, wrong))
        self.resume: Resume | None = None
        """What another attempt can begin with, once this one has failed."""
        self._course = Course(lead.digest, me, lead.origin is not None, self._now())
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._tasks = Tasks(f"stream {lead.digest.short}")
        self._pump: asyncio.Task[None] | None = None
        self._samples = Samples(lead.digest, lead.size, me, start=front.length)
        self._warnings = Warnings(self._now, {resume.wrong} if resume else set())
        self._is_comparing = False
        self._whole = frozenset(holder.node for holder in lead.sighting.whole if holder.node)
        """Those that say they have all of it, and may have made it up."""
        self._is_sampled = lead.origin is not None and not trust.needs_no_proof(self._whole)
        self._recorded: set[Neighbour] = set(resume.known) if resume else set()
        """Those whose address stands in a record that they have signed."""

    def connect(self, holders: Sequence[Holder]) -> None:
        """Follow one of these, should it be further ahead."""
        if not self._alone:
            self._events.put_nowait(_Sighted(tuple(holders)))

    def progress(self) -> Progress:
        """Return how far it is, and how much came from whom; the registry counts as `upstream`."""
        by_source = self._sources.by_source
        return Progress(self._growing.offset, by_source.total(), dict(by_source))

    async def read(self, offset: int, stop: int, *, urgent: bool) -> bytes:
        """Return some bytes from offset on, none from stop on, as soon as they are here: a stream has one order.

        Raises P2PlayerError once the attempt has failed or ended.
        """
        return await self._growing.read(offset, stop)

    def held(self) -> AbstractContextManager[None]:
        """Keep all that is here readable while the context lasts, whatever becomes of the attempt. Raises TransferStalled."""
        return self._growing.held()

    @property
    def is_following(self) -> bool:
        """Whether it comes from another node just now."""
        return self._course.followed is not None

    @property
    def is_alone(self) -> bool:
        """Whether it comes straight from a node that has it all, and nobody follows here."""
        return self._course.is_behind_whole and not self._incoming.followers

    @property
    def is_relayed(self) -> bool:
        """Whether any of it came from other nodes."""
        return bool(self._incoming.received)

    @property
    def is_verified(self) -> bool:
        """Whether the whole digest has matched."""
        return self._incoming.is_verified

    async def verified(self) -> None:
        """Wait until the whole digest has matched; what can be read is right from then on. Raises P2PlayerError."""
        await self._incoming.verified()

    def was_right(self) -> bool:
        """Tell whether what readers were given is what the store has by now. Reads as much of the blob as there was."""
        return self._growing.is_front_of(self._store.path(self._lead.digest))

    async def run(self) -> StoredBlob:
        """Return the blob, in the store. Raises DigestMismatch if what came is something else, or why nothing comes."""
        try:
            with self._growing.held(), self._relays.offering(self._lead.digest, self._incoming):
                await self._stream()
                await self._require_digest()
                # Readers need wait neither for the tree, which others will ask for, nor for the disk.
                self._incoming.release()
                blob = await asyncio.to_thread(self._keep)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            await self._tasks.close()
            if self.resume is None or self.resume.front is None:
                await asyncio.to_thread(self._staged.discard)
        return blob

    async def _require_digest(self) -> None:
        if self._growing.digest == self._lead.digest:
            return
        wrong: int | None = None
        if self.is_relayed:
            # Most of it may be right: the registry tells, if it is asked for a few segments.
            with suppress(P2PlayerError):
                wrong = await self._sources.sample((self.size - 1) // BLOCK * BLOCK)
        self._give_up(wrong, None if wrong is None else GoUpstream())

    def _keep(self) -> StoredBlob:
        return self._store.adopt(self._staged, tree_of_file(self._staged.path))

    async def _stream(self) -> None:
        await self._growing.hash_front()
        self._course.moved(self._incoming.boundary, self._now())
        if self._resume is None:
            commands = await self._begin()
        else:
            commands = self._take_up(self._resume)
        offset = self._growing.offset
        while self._growing.offset < self.size:
            self._incoming.place = self._course.place
            for command in commands:
                await self._carry_out(command)
            try:
                async with asyncio.timeout(_TICK):  # wait_for may swallow a cancellation on Python 3.11
                    event = await self._events.get()
            except TimeoutError:
                event = None
            if self._growing.offset > offset:
                offset = self._growing.offset
                self._course.moved(self._incoming.boundary, self._now())
                self._sample()
                self._heed()
            commands = await self._take(event) if event else self._course.tick(self._now())

    async def _begin(self) -> list[Command]:
        # Who has all of it knows best who else is at it.
        if not self._alone and (whole := self._lead.sighting.whole):
            self._course.is_entering = True
            self._tasks.spawn(self._enter_again(), "enter")
            return self._sighted(whole)
        # First say that it is fetched here, then look who else does: of two nodes that begin at once, one sees the other.
        others = await self._enter()
        return self._sighted(() if self._alone else others)

    async def _take(self, event: _Event) -> list[Command]:
        now = self._now()
        match event:
            case _Sighted(holders):
                return self._sighted(holders)
            case _Answered(node, standing):
                return self._course.answered(node, standing, now)
            case _LetIn(pump, standing) if pump is self._pump:
                self._course.let_in(standing, now)
            case _SentOn(pump, instead) if pump is self._pump:
                believed = [each for each in instead.neighbours if self._sources.believes(each.node)]
                return self._course.sent_on(believed, instead.depth, now)
            case _Ended(pump, error) if pump is self._pump and self._growing.offset < self.size:
                return await self._ended(error)
            case _Warned(by, wrong):
                self._warnings.add(by, wrong)
                self._heed()
                # It is about to begin anew behind what is right: if it goes to the registry, not both have to.
                return self._course.sighted([by], now) if self._resume and self._sources.believes(by.node) else []
            case _Spoilt(wrong, following):
                self._give_up(wrong, following)
            case _:
                pass  # from a source that was left before
        return []

    async def _ended(self, error: Exception | None) -> list[Command]:
        self._note(f"no more comes: {error}" if error else "no more comes")
        if isinstance(error, NotBelieved):
            # It mostly was lied to as well, and finds that out just now.
            return self._course.ended(error, self._now(), shun=SHUN_SILENT)
        if isinstance(error, Forged | TooManySigners):
            await self._distrust_source(error)
        if error is None or isinstance(error, Unavailable | NotFound | NotAllowed):
            return self._course.ended(error, self._now())
        raise error

    async def _distrust_source(self, error: Forged | TooManySigners) -> None:
        if not isinstance(source := self._course.source, Neighbour):
            raise TypeError("only other nodes sign") from error
        self._course.distrust(source.node)
        # Nothing is proven about a node whose address others have told: anybody may have answered there.
        if isinstance(error, Forged) and source in self._recorded:
            await self._ban(f"sent forged segments of {self._lead.digest}", source.node)

    def _take_up(self, resume: Resume) -> list[Command]:
        self._tasks.spawn(self._enter_again(), "enter")
        believed = [it for it in self._recorded if self._sources.believes(it.node)]
        if isinstance(resume.next, GoUpstream):
            # Only who goes to the registry tells others: they follow, and must not do so in a circle.
            for neighbour in random.sample(believed, min(len(believed), ASK_AT_ONCE)):
                self._tasks.spawn(self._sources.warn(neighbour, resume.wrong), f"warn {neighbour.node.short}")
        if resume.next is not None:
            return self._course.take_up(resume.next, self._now())
        return self._course.sighted(believed, self._now())

    async def _enter_again(self) -> None:
        try:
            self.connect(await self._enter())
        finally:
            self._course.is_entering = False

    def _give_up(self, wrong: int | None, following: Follow | GoUpstream | None) -> NoReturn:
        """End this attempt for another one, which keeps all before the segment with the block at `wrong`; None: nothing."""
        start = start_of(wrong or 0, self.size)
        received = [each for each in self._incoming.received if each.segment.offset >= start]
        self._trust.doubt(self._lead.digest, self.size, received)
        front = self._incoming.kept(self._staged, start) if start else None
        self.resume = Resume(front, tuple(self._recorded), wrong or 0, following)
        raise DigestMismatch(f"what was fetched as {self._lead.digest} is something else, if not before byte {start}")

    def _sighted(self, holders: Sequence[Holder]) -> list[Command]:
        neighbours = [it for holder in holders if (it := holder.neighbour) and self._sources.believes(it.node)]
        self._recorded.update(neighbours)
        return self._course.sighted(neighbours, self._now())

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Ask(neighbours):
                for neighbour in neighbours:
                    self._tasks.spawn(self._ask(neighbour), f"ask {neighbour.node.short}")
            case Follow(neighbour, insist):
                await self._stop_pump()
                self._note(f"following {neighbour.node.short} from byte {self._incoming.boundary} on")
                is_recorded = neighbour in self._recorded
                follow = partial(
                    self._sources.from_neighbour,
                    neighbour,
                    insist=insist,
                    is_recorded=is_recorded,
                    on_answer=self._let_in,
                )
                self._pump = self._tasks.spawn(self._run_pump(follow), neighbour.node.short)
            case GoUpstream():
                await self._stop_pump()
                self._note(f"fetching from the registry from byte {self._growing.offset} on")
                self._pump = self._tasks.spawn(self._run_pump(self._sources.from_registry), UPSTREAM)
            case Fail(error):
                raise error

    async def _stop_pump(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait({pump})

    def _let_in(self, standing: Standing) -> None:
        self._events.put_nowait(_LetIn(asyncio.current_task(), standing))

    async def _run_pump(self, take: Callable[[], Awaitable[None]]) -> None:
        pump = asyncio.current_task()
        try:
            await take()
        except SentOn as answer:
            self._events.put_nowait(_SentOn(pump, answer.instead))
        except Exception as error:  # noqa: BLE001  (`_take` tells what the source is to blame for, and raises the rest)
            self._events.put_nowait(_Ended(pump, error))
        else:
            self._events.put_nowait(_Ended(pump, None))

    async def _ask(self, neighbour: Neighbour) -> None:
        here = start_of(self._growing.offset, self.size)
        standing = await self._sources.standing(neighbour, here)
        self._events.put_nowait(_Answered(neighbour.node, standing))
        if here and standing and standing.front and standing.front != self._growing.front(here):
            self._note(f"{neighbour.node.short} has other bytes: asking the registry whose are right")
            await self._find_out(partial(self._sources.compare, neighbour, here), None, neighbour.node)

    def _sample(self) -> None:
        """Compare a block with the registry's, if that is due, and it did not come from there."""
        if self._is_sampled and self.is_following:
            block = self._samples.due(self._incoming.boundary, self._course.known.keys() - self._whole)
            if block is not None:
                self._tasks.spawn(self._find_out(partial(self._sources.sample, block), GoUpstream()), "sample")

    async def _find_out(
        self, ask: Callable[[], Awaitable[int | None]], following: GoUpstream | None, other: NodeId | None = None
    ) -> None:
        """Give up what is here from the block on that ask returns; if that is None, the other node is wrong."""
        if self._is_comparing:
            return
        self._is_comparing = True
        try:
            wrong = await ask()
        except P2PlayerError as error:
            self._note(f"the registry does not tell: {error}")
            if self._whole:
                self._is_sampled = False  # it may never have had what others have
        else:
            if wrong is not None:
                self._events.put_nowait(_Spoilt(wrong, following))
            elif other is not None:
                self._course.distrust(other)
        finally:
            self._is_comparing = False

    def _heed(self) -> None:
        """Look at a block of which another node says that it is wrong, once it has come here from others too."""
        if self._lead.origin is not None and (warning := self._warnings.due(self._incoming.has_received)):
            self._tasks.spawn(self._check(*warning), "check")

    async def _check(self, by: Neighbour, wrong: int) -> None:
        try:
            is_right = await self._sources.is_right(wrong)
        except P2PlayerError as error:
            self._note(f"the registry does not tell: {error}")
            is_right = True
        self._warnings.looked_at(is_right=is_right)
        if not is_right:
            self._note(f"{by.node.short} says that byte {wrong} is wrong, and so does the registry")
            self._events.put_nowait(_Spoilt(wrong, Follow(by)))

    def _fail(self, error: BaseException) -> None:
        reason = error if isinstance(error, Exception) else TransferStalled(f"{self._lead.digest} was given up")
        self._incoming.fail(reason)

    def _note(self, what: str) -> None:
        self._journal.add(self._lead.digest, what)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
