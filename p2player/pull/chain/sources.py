"""Taking a blob in: from its registry as it comes, or from another node, segment by segment, each checked before it is taken."""

from collections import Counter
from collections.abc import Callable, Container
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import takewhile
from typing import Final, Protocol

from p2player.errors import NotFound, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.relay import Sent
from p2player.peer.segments import Segment, SegmentReader, end_of, segment_bytes, start_of
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.access.access import Access
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.comparing import BLOCK, first_difference, first_wrong
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Incoming, Received
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.holders import Lead
from p2player.upstream.port import UPSTREAM

MAX_SIGNERS: Final = 8
"""How many may have signed what comes over one connection: each is a node that took over from the one before. Whoever changes
its key with each segment could not be left by it."""


class Forged(PeerUnreachable):
    """A segment that its signer has not signed, or that is not of the bytes that came with it."""


class NotBelieved(PeerUnreachable):
    """A segment signed by somebody who is not believed. Who passes it on may not have found that out yet."""


class TooManySigners(PeerUnreachable):
    """More have signed what comes than can be honest."""


class OtherSize(PeerUnreachable):
    """What the registry has is not of the size that is fetched, but of `size` bytes."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class Followable(Protocol):
    """How other nodes are followed; `peer.client.PeerClient` does it."""

    async def standing(
        self,
        host: str,
        port: int,
        digest: Digest,
        *,
        front: int = 0,
        wrong: int | None = None,
        timeout: float,  # noqa: ASYNC109  (for one node)
    ) -> Standing | None:
        """Return how far a node is with a blob, and the digest of the first `front` bytes; None if it does not say.

        Tell it where a block is `wrong` that was passed on, if that was found out.
        """
        ...

    def follow(
        self, host: str, port: int, digest: Digest, start: int, *, insist: bool
    ) -> AbstractAsyncContextManager[Sent]:
        """Open the segments of a blob from the one at start on. Raises PeerUnreachable, SentOn."""
        ...


class Sources:
    """Where the bytes of one fetch come from. `by_source` counts them; the registry is `upstream`."""

    def __init__(
        self,
        lead: Lead,
        growing: Growing,
        incoming: Incoming,
        *,
        access: Access,
        peers: Followable,
        trust: Trust,
        avoided: Container[NodeId],
    ) -> None:
        self.by_source: Counter[str] = Counter()
        self._lead = lead
        self._growing = growing
        self._incoming = incoming
        self._access = access
        self._peers = peers
        self._trust = trust
        self._avoided = avoided

    async def from_registry(self) -> None:
        """Take the rest from the registry. Raises P2PlayerError."""
        if (origin := self._lead.origin) is None:
            raise ValueError("there is no registry to ask")
        async with self._access.open(origin, self._lead.digest, self._growing.offset) as sent:
            if sent.size != self._lead.size:
                raise OtherSize(self._other_size(sent.size, "the registry"), sent.size)
            async for data in sent.chunks:
                await self._append(data)

    async def from_neighbour(
        self, neighbour: Neighbour, *, insist: bool, is_recorded: bool, on_answer: Callable[[Standing], None]
    ) -> None:
        """Take the rest from another node; is_recorded: its address stands in a record that it has signed.

        on_answer hears how far it is, as soon as it lets this node follow.
        Raises SentOn, or PeerUnreachable: Forged, NotBelieved or TooManySigners if it is not what it should be.
        """
        start, node = self._incoming.boundary, neighbour.node
        reader = SegmentReader(self._lead.size, start)
        connection = object()
        signers: set[NodeId] = set()

        async def hand_on(data: bytes) -> None:
            try:
                segments = reader.feed(data)
            except ValueError as error:
                raise PeerUnreachable(f"{node.short} sends no segments: {error}") from error
            for segment, content in segments:
                signers.add(segment.node)
                if len(signers) > MAX_SIGNERS:
                    raise TooManySigners(f"{node.short} passes on what too many have signed")
                if not self.believes(segment.node):
                    raise NotBelieved(f"{node.short} passes on what {segment.node.short} has signed")
                received = Received(segment, node if is_recorded else None, connection)
                # Checked where it is written: a change of threads costs as much as the check.
                check = partial(self._check, node, segment, content)
                self.by_source[node.short] += await self._incoming.add(received, content, check)

        following = self._peers.follow(neighbour.host, neighbour.port, self._lead.digest, start, insist=insist)
        async with following as sent:
            if sent.standing.size != self._lead.size:
                raise PeerUnreachable(self._other_size(sent.standing.size, node.short))
            on_answer(self._believed(sent.standing))
            async for data in sent.chunks:
                await hand_on(data)

    async def standing(self, neighbour: Neighbour, front: int) -> Standing | None:
        """Return how far another node is, and what it has as the first `front` bytes; None if it does not say in time.

        Whom it names that is not believed is left out: nobody joins the chain of such a head, or follows who comes before it.
        """
        standing = await self._peers.standing(
            neighbour.host, neighbour.port, self._lead.digest, front=front, timeout=ANSWER_WITHIN
        )
        return standing and self._believed(standing)

    async def warn(self, neighbour: Neighbour, wrong: int) -> None:
        """Tell another node that the block at wrong, as it came here, is not what the registry has."""
        await self._peers.standing(
            neighbour.host, neighbour.port, self._lead.digest, wrong=wrong, timeout=ANSWER_WITHIN
        )

    async def compare(self, neighbour: Neighbour, differs: int) -> int | None:
        """Return where the first block begins that is wrong here, given that a node has other first `differs` bytes.

        None if its own are wrong, or if that cannot be told. Raises P2PlayerError.
        """

        async def theirs(offset: int) -> str:
            standing = await self.standing(neighbour, offset)
            return standing.front if standing else ""

        start = await first_difference(self._growing.front, theirs, differs, segment_bytes(self._lead.size))
        return None if start is None else await self._wrong_block(start)

    async def sample(self, block: int) -> int | None:
        """Return where the first block begins that is wrong here, if the one at `block` is, else None. Raises P2PlayerError."""
        if await self.is_right(block):
            return None

        async def is_right(segment: int) -> bool:
            return await self._wrong_block(segment) is None

        first = await first_wrong(is_right, start_of(block, self._lead.size), segment_bytes(self._lead.size))
        return await self._wrong_block(first)

    async def is_right(self, block: int) -> bool:
        """Tell whether the registry has the same block as is here. Raises P2PlayerError."""
        stop = min(block + BLOCK, self._lead.size)
        return await self._of_registry(block, stop) == await self._growing.read_all(block, stop)

    async def _wrong_block(self, segment: int) -> int | None:
        """Return where the first block begins in the segment at an offset that is not what the registry has."""
        stop = end_of(segment, self._lead.size)
        there, here = await self._of_registry(segment, stop), await self._growing.read_all(segment, stop)
        blocks = range(0, stop - segment, BLOCK)
        return next((segment + at for at in blocks if here[at : at + BLOCK] != there[at : at + BLOCK]), None)

    async def _of_registry(self, start: int, stop: int) -> bytes:
        if (origin := self._lead.origin) is None:
            raise NotFound(f"there is no registry to ask for {self._lead.digest}")
        async with self._access.open(origin, self._lead.digest, start, stop) as sent:
            return b"".join([chunk async for chunk in sent.chunks])

    def believes(self, node: NodeId) -> bool:
        """Tell whether a node is followed, and what it has signed is taken."""
        return node not in self._avoided and self._trust.believes(node, self._lead.digest)

    def _believed(self, standing: Standing) -> Standing:
        """Return what a node says without those it names that are not believed, and those that come before such a one."""
        place = standing.place
        head = place.head if place.head is not None and self.believes(place.head) else None
        before = tuple(takewhile(lambda it: self.believes(it.node), place.before))
        return standing._replace(place=place._replace(head=head, before=before))

    async def _append(self, data: bytes) -> None:
        await self._incoming.append(data)
        self.by_source[UPSTREAM] += len(data)

    def _check(self, sender: NodeId, segment: Segment, data: bytes) -> None:
        if not (segment.is_of(data) and segment.is_signed(self._lead.digest, self._lead.size)):
            raise Forged(f"{sender.short} sends segments that are not what {segment.node.short} has signed")

    def _other_size(self, size: int, name: str) -> str:
        return f"{name} has {size} bytes for {self._lead.digest}, not {self._lead.size}"
