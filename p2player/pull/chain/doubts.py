"""Whether what has come so far is right, asked of the registry in a few places while more comes.

There are three grounds to ask: another node has other bytes, it is this node's turn to compare a block, or another node warns of one.
"""

from collections.abc import Awaitable, Callable, Collection
from functools import partial

from p2player.errors import P2PlayerError
from p2player.peer.identity import NodeId
from p2player.peer.segments import start_of
from p2player.peer.standing import Neighbour
from p2player.pull.chain.commands import Follow, GoUpstream
from p2player.pull.chain.comparing import Samples, Warnings
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Incoming
from p2player.pull.chain.resume import Resume
from p2player.pull.chain.sources import Sources
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.holders import Lead
from p2player.tasks import Tasks, loop_time


class Doubts:
    """The doubts about one stream.

    `spoilt` hears from which block on what is here is wrong, and what to begin with behind what is right; `distrust` hears of a
    node that has wrong bytes itself; `note` is told what happens.
    """

    def __init__(
        self,
        lead: Lead,
        me: NodeId,
        growing: Growing,
        incoming: Incoming,
        sources: Sources,
        *,
        trust: Trust,
        resume: Resume | None,
        tasks: Tasks,
        spoilt: Callable[[int, Follow | GoUpstream | None], None],
        distrust: Callable[[NodeId], None],
        note: Callable[[str], None],
    ) -> None:
        self._lead = lead
        self._growing = growing
        self._incoming = incoming
        self._sources = sources
        self._tasks = tasks
        self._spoilt = spoilt
        self._distrust = distrust
        self._note = note
        self._whole = frozenset(holder.node for holder in lead.sighting.whole if holder.node)
        """Those that say they have all of it, and may have made it up."""
        self._is_sampled = lead.origin is not None and not trust.needs_no_proof(self._whole)
        front = resume.front.length if resume and resume.front else 0
        self._samples = Samples(lead.digest, lead.size, me, start=front)
        self._warnings = Warnings(loop_time, {resume.wrong} if resume else set())
        self._is_comparing = False

    @property
    def compared(self) -> int:
        """The byte up to which another node's bytes can be compared with those here, at the begin of a segment."""
        return start_of(self._growing.offset, self._lead.size)

    async def compare(self, neighbour: Neighbour, front: str, stop: int) -> None:
        """Find out whose bytes are right, if the first `stop` bytes that a node has, with the digest `front`, are not those here."""
        if stop and front and front != self._growing.front(stop):
            self._note(f"{neighbour.node.short} has other bytes: asking the registry whose are right")
            await self._find_out(partial(self._sources.compare, neighbour, stop), None, neighbour.node)

    def sample(self, known: Collection[NodeId]) -> None:
        """Compare a block with the registry's, if that is due. These nodes share in that, unless they have all of the blob."""
        if self._is_sampled:
            block = self._samples.due(self._incoming.boundary, set(known) - self._whole)
            if block is not None:
                self._tasks.spawn(self._find_out(partial(self._sources.sample, block), GoUpstream()), "sample")

    def warned(self, by: Neighbour, wrong: int) -> None:
        """Take note that a node says that a block is wrong."""
        self._warnings.add(by, wrong)
        self.heed()

    def heed(self) -> None:
        """Look at a block of which another node says that it is wrong, once it has come here from others too."""
        if self._lead.origin is not None and (warning := self._warnings.due(self._incoming.has_received)):
            self._tasks.spawn(self._check(*warning), "check")

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
                self._spoilt(wrong, following)
            elif other is not None:
                self._distrust(other)
        finally:
            self._is_comparing = False

    async def _check(self, by: Neighbour, wrong: int) -> None:
        try:
            is_right = await self._sources.is_right(wrong)
        except P2PlayerError as error:
            self._note(f"the registry does not tell: {error}")
            is_right = True
        self._warnings.looked_at(is_right=is_right)
        if not is_right:
            self._note(f"{by.node.short} says that byte {wrong} is wrong, and so does the registry")
            self._spoilt(wrong, Follow(by))
