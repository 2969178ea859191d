"""One try at fetching a blob that nobody claims to have: from front to back, from its registry or from a node ahead.

`course` decides from whom, this carries it out. What comes from another node comes in signed segments (see `incoming`); whether
they are right nobody knows until they are all here. What readers get before that is held back by its last bytes, as with any
other blob (see `blob`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import NoReturn

from p2player.errors import DigestMismatch, NotAllowed, NotFound, P2PlayerError, TransferStalled, Unavailable
from p2player.peer.client import SentOn
from p2player.peer.identity import NodeId
from p2player.peer.segments import start_of
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.access.access import Access
from p2player.pull.chain import events
from p2player.pull.chain.commands import Ask, Command, Fail, Follow, GoUpstream
from p2player.pull.chain.comparing import BLOCK
from p2player.pull.chain.course import Course
from p2player.pull.chain.doubts import Doubts
from p2player.pull.chain.events import Event
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Front
from p2player.pull.chain.others import SHUN_SILENT
from p2player.pull.chain.questions import ASK_AT_ONCE
from p2player.pull.chain.relays import Relays
from p2player.pull.chain.resume import Resume
from p2player.pull.chain.sources import Followable, Forged, NotBelieved, Sources, TooManySigners
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.holders import Holder, Lead
from p2player.pull.journal import Journal
from p2player.store.hashing import tree_of_file
from p2player.store.rows import StoredBlob
from p2player.store.store import Store
from p2player.swarm.port import Progress
from p2player.tasks import Tasks, loop_time
from p2player.upstream.port import UPSTREAM

_TICK = 0.25  # seconds


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
        self._incoming.on_warning = lambda by, wrong: self._events.put_nowait(events.Warned(by, wrong))
        self.resume: Resume | None = None
        """What another attempt can begin with, once this one has failed."""
        self._course = Course(lead.digest, me, has_origin=lead.origin is not None, now=loop_time())
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks = Tasks(f"stream {lead.digest.short}")
        self._pump: asyncio.Task[None] | None = None
        self._doubts = Doubts(
            lead,
            me,
            self._growing,
            self._incoming,
            self._sources,
            trust=trust,
            resume=resume,
            tasks=self._tasks,
            spoilt=lambda wrong, following: self._events.put_nowait(events.Spoilt(wrong, following)),
            distrust=self._course.distrust,
            note=self._note,
        )
        self._recorded: set[Neighbour] = set(resume.known) if resume else set()
        """Those whose address stands in a record that they have signed."""

    def connect(self, holders: Sequence[Holder]) -> None:
        """Follow one of these, should it be further ahead."""
        if not self._alone:
            self._events.put_nowait(events.Sighted(tuple(holders)))

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
        self._course.moved(self._incoming.boundary, loop_time())
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
                self._course.moved(self._incoming.boundary, loop_time())
                if self.is_following:
                    self._doubts.sample(self._course.known.keys())
                self._doubts.heed()
            commands = await self._take(event) if event else self._course.tick(loop_time())

    async def _begin(self) -> list[Command]:
        # Who has all of it knows best who else is at it.
        if not self._alone and (whole := self._lead.sighting.whole):
            self._course.is_entering = True
            self._tasks.spawn(self._enter_again(), "enter")
            return self._sighted(whole)
        # First say that it is fetched here, then look who else does: of two nodes that begin at once, one sees the other.
        others = await self._enter()
        return self._sighted(() if self._alone else others)

    async def _take(self, event: Event) -> list[Command]:
        now = loop_time()
        match event:
            case events.Sighted(holders):
                return self._sighted(holders)
            case events.Answered(node, standing):
                return self._course.answered(node, standing, now)
            case events.LetIn(pump, standing) if pump is self._pump:
                self._course.let_in(standing, now)
            case events.SentOn(pump, instead) if pump is self._pump:
                believed = [each for each in instead.neighbours if self._sources.believes(each.node)]
                return self._course.sent_on(believed, instead.depth, now)
            case events.Ended(pump, error) if pump is self._pump and self._growing.offset < self.size:
                return await self._ended(error)
            case events.Warned(by, wrong):
                self._doubts.warned(by, wrong)
                # It is about to begin anew behind what is right: if it goes to the registry, not both have to.
                return self._course.sighted([by], now) if self._resume and self._sources.believes(by.node) else []
            case events.Spoilt(wrong, following):
                self._give_up(wrong, following)
            case _:
                pass  # from a source that was left before
        return []

    async def _ended(self, error: Exception | None) -> list[Command]:
        self._note(f"no more comes: {error}" if error else "no more comes")
        if isinstance(error, NotBelieved):
            # It mostly was lied to as well, and finds that out just now.
            return self._course.ended(error, loop_time(), shun=SHUN_SILENT)
        if isinstance(error, Forged | TooManySigners):
            await self._distrust_source(error)
        if error is None or isinstance(error, Unavailable | NotFound | NotAllowed):
            return self._course.ended(error, loop_time())
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
            return self._course.take_up(resume.next, loop_time())
        return self._course.sighted(believed, loop_time())

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
        return self._course.sighted(neighbours, loop_time())

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
        await self._tasks.end(pump)

    def _let_in(self, standing: Standing) -> None:
        self._events.put_nowait(events.LetIn(asyncio.current_task(), standing))

    async def _run_pump(self, take: Callable[[], Awaitable[None]]) -> None:
        pump = asyncio.current_task()
        try:
            await take()
        except SentOn as answer:
            self._events.put_nowait(events.SentOn(pump, answer.instead))
        except Exception as error:  # noqa: BLE001  (`_take` tells what the source is to blame for, and raises the rest)
            self._events.put_nowait(events.Ended(pump, error))
        else:
            self._events.put_nowait(events.Ended(pump, None))

    async def _ask(self, neighbour: Neighbour) -> None:
        stop = self._doubts.compared
        standing = await self._sources.standing(neighbour, stop)
        self._events.put_nowait(events.Answered(neighbour.node, standing))
        if standing:
            await self._doubts.compare(neighbour, standing.front, stop)

    def _fail(self, error: BaseException) -> None:
        reason = error if isinstance(error, Exception) else TransferStalled(f"{self._lead.digest} was given up")
        self._incoming.fail(reason)

    def _note(self, what: str) -> None:
        self._journal.add(self._lead.digest, what)
