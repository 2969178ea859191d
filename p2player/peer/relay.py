"""Passing a blob on while it is still coming in: who may follow here, and where to go instead.

Nodes that fetch the same new blob form a chain, each taking it from the one before, so that every uplink carries it once; behind a
long chain they form a tree (see `shape`). A node that has its followers sends others on to where a place is free.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol, Self

from aiohttp import web

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.protocol import (
    DEPTH_HEADER,
    FRONT_HEADER,
    INSIST_HEADER,
    NEXT_HEADER,
    NODE_HEADER,
    WRONG_HEADER,
)
from p2player.peer.segments import Segment, length_on_wire, start_of
from p2player.peer.shape import most_followers, place_of
from p2player.peer.standing import Neighbour, Place, Standing, number_of, port_of, spelled

MAX_INSISTING: Final = 4
"""How many follow a node at most when they insist, because the others they know are slow."""

_MAX_REMEMBERED: Final = 4096
"""How many are remembered that came for a blob: they name themselves, so there may be any number."""


class Relay(Protocol):
    """A blob that is here up to `offset`, and may still be growing. It is passed on in whole, checked segments."""

    @property
    def size(self) -> int:
        """Bytes in the whole blob."""
        ...

    @property
    def offset(self) -> int:
        """Bytes that can be passed on, from the front."""
        ...

    @property
    def place(self) -> Place:
        """Over whom it comes just now."""
        ...

    def front(self, offset: int) -> str:
        """Return the digest of the first offset bytes, a number of whole segments, in hex; empty if it is not known."""
        ...

    def read(self, start: int) -> AsyncGenerator[tuple[Segment, bytes], None]:
        """Yield the segments from the one at start to the end as they come. Raises once they come no more."""
        ...

    def warned(self, by: Neighbour, wrong: int) -> None:
        """Take note that a node says that some bytes, from `wrong` on, are not what the registry has."""
        ...


class Relays(Protocol):
    """What can be followed here."""

    def relay(self, digest: Digest) -> Relay | None:
        """Return what can be followed of digest, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A blob on its way from another node: how far that is, and segments from the asked start on, as they travel."""

    standing: Standing
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Whom to follow instead of a node that has its follower, the best first, and over how many others that one has the blob."""

    neighbours: tuple[Neighbour, ...]
    depth: int

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Return what an answer's headers say, or raise ValueError. What is no neighbour is left out."""
        found = []
        for text in headers.get(NEXT_HEADER, "").split(",")[:MAX_INSISTING]:
            with suppress(ValueError):
                found.append(Neighbour.parse(text.strip()))
        return cls(tuple(found), number_of(headers.get(DEPTH_HEADER, "0")))

    def to_headers(self) -> dict[str, str]:
        """Return the headers that `of` reads."""
        return {NEXT_HEADER: spelled(self.neighbours), DEPTH_HEADER: str(self.depth)}


class Followers:
    """Who takes what from this node just now, and who else has come for it meanwhile."""

    def __init__(self) -> None:
        self._present: defaultdict[Digest, list[Neighbour]] = defaultdict(list)
        self._came: defaultdict[Digest, _Came] = defaultdict(_Came)

    def standing(self, digest: Digest, relay: Relay, front: int = 0) -> Standing:
        """Return how far this node is with a blob, and what it knows of the first bytes of it."""
        followers = len(self._present.get(digest, ()))
        known = relay.front(front) if front else ""
        return Standing(relay.size, relay.offset, relay.place, followers, known)

    def instead(
        self, digest: Digest, newcomer: Neighbour, start: int, relay: Relay, *, insist: bool
    ) -> Elsewhere | None:
        """Return whom a newcomer has to follow instead of this node; None if it may follow.

        The first is the one that has its place free for it, if all who came before went where they were sent: it would have
        to walk there otherwise. Who comes back, or has had its place somewhere as it wants the blob from `start` on, is sent to
        those that follow here: others may be behind it. Who comes back takes its own place.
        """
        came = self._came[digest]
        is_new = not start and newcomer.node not in came
        came.add(newcomer)
        present = tuple(known for known in self._present.get(digest, ()) if known.node != newcomer.node)
        if len(present) < (MAX_INSISTING if insist else most_followers(relay.place.depth, relay.size)):
            return None
        if not is_new:
            return Elsewhere(present, relay.place.depth + 1)
        place, depth = place_of(came.number, relay.place.depth, relay.size)
        first = came.at(place) if place else present[0]
        return Elsewhere(tuple(dict.fromkeys((first, *present))), depth)

    @contextmanager
    def serving(self, digest: Digest, follower: Neighbour) -> Iterator[None]:
        """Count a follower while the context lasts."""
        self._present[digest].append(follower)
        try:
            yield
        finally:
            self._present[digest].remove(follower)
            if not self._present[digest]:
                del self._present[digest]
                self._came.pop(digest, None)


class _Came:
    """Who has come for a blob, in order."""

    def __init__(self) -> None:
        self.number = 0
        """How many came, those included that are not remembered."""
        self._places: dict[NodeId, int] = {}
        self._in_order: list[Neighbour] = []

    def __contains__(self, node: NodeId) -> bool:
        return node in self._places

    def add(self, newcomer: Neighbour) -> None:
        """Take note that somebody came, at the address of this time."""
        if (place := self._places.get(newcomer.node)) is not None:
            self._in_order[place] = newcomer
            return
        self.number += 1
        if len(self._in_order) < _MAX_REMEMBERED:
            self._places[newcomer.node] = len(self._in_order)
            self._in_order.append(newcomer)

    def at(self, place: int) -> Neighbour:
        """Return who came as the place-th, or the last that is remembered: others then find their places behind that one."""
        return self._in_order[min(place, len(self._in_order)) - 1]


class RelayDesk:
    """Answers those who want to follow."""

    def __init__(self, relays: Relays) -> None:
        self._relays = relays
        self._followers = Followers()

    async def answer(self, request: web.BaseRequest, digest: Digest) -> web.StreamResponse:
        """Tell how far the blob is (HEAD), or send it from the asked segment on (GET): 404 without, 409 if others follow."""
        relay = self._relays.relay(digest)
        if relay is None:
            return web.Response(status=404, headers={"Content-Length": "0"})
        try:
            front = number_of(request.headers.get(FRONT_HEADER, "0"))
            standing = self._followers.standing(digest, relay, front)
            if request.method == "HEAD":
                if (wrong := request.headers.get(WRONG_HEADER)) is not None:
                    relay.warned(_follower(request), number_of(wrong))
                return web.Response(headers=_with_length(standing, 0))
            start = number_of(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            follower = _follower(request)
        except ValueError:
            return web.Response(status=400)
        if start > relay.size or start != start_of(start, relay.size):
            return web.Response(status=416)
        insist = INSIST_HEADER in request.headers
        if instead := self._followers.instead(digest, follower, start, relay, insist=insist):
            return web.Response(status=409, headers=instead.to_headers())
        response = web.StreamResponse(headers=_with_length(standing, start))
        with self._followers.serving(digest, follower):
            await response.prepare(request)
            await _send(request, response, relay, start)
        return response


def _with_length(standing: Standing, start: int) -> dict[str, str]:
    """Return the headers of an answer. One that does not tell its length costs its connection, also where nothing follows."""
    return {**standing.to_headers(), "Content-Length": str(length_on_wire(standing.size, start))}


async def _send(request: web.BaseRequest, response: web.StreamResponse, relay: Relay, start: int) -> None:
    try:
        async with aclosing(relay.read(start)) as segments:
            async for segment, data in segments:
                await response.write(segment.pack() + data)
    except Exception:  # noqa: BLE001  (whatever it was: only the connection's end can tell the follower)
        if request.transport is not None:
            request.transport.abort()


def _follower(request: web.BaseRequest) -> Neighbour:
    """Return who asks: the id and port it gives itself, at the host it is seen at. Raises ValueError."""
    node, port = request.headers.get(NODE_HEADER, "").split(" ")
    return Neighbour(NodeId.parse(node), request.remote or "", port_of(port))
