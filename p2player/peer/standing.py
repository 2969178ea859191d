"""How far a node is with a blob that it passes on, and where in a chain it has its place: what nodes tell each other in headers."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Self

from p2player.peer.identity import NodeId
from p2player.peer.protocol import (
    BEFORE_HEADER,
    DEPTH_HEADER,
    FOLLOWERS_HEADER,
    FRONT_HEADER,
    HEAD_HEADER,
    OFFSET_HEADER,
    SIZE_HEADER,
)
from p2player.peer.shape import NO_SOURCE, most_followers

MOST_BEFORE: Final = 3
"""How many of those before it a node names: so many neighbours of a chain may fail at once, and who is behind them knows the next."""
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


class Neighbour(NamedTuple):
    """A node by its id and the address of its peer interface, as one header value: `ID HOST PORT`."""

    node: NodeId
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the neighbour that text spells, or raise ValueError."""
        node, host, port = text.split(" ")
        return cls(NodeId.parse(node), str(ipaddress.ip_address(host)), port_of(port))

    def __str__(self) -> str:
        return f"{self.node} {self.host} {self.port}"


class Place(NamedTuple):
    """Where a node has its place in a chain: over how many others it takes a blob, from which head, and over whom."""

    depth: int = NO_SOURCE
    head: NodeId | None = None
    """Which node all these take it from in the end; None while that is not known."""
    before: tuple[Neighbour, ...] = ()
    """Whom it takes it from, whom that one takes it from, and so on: the nearest few."""

    def behind(self, source: Neighbour) -> "Place":
        """Return the place of a node that takes it from source, which has this one."""
        return Place(self.depth + 1, self.head, (source, *self.before)[:MOST_BEFORE])

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Return what an answer's headers say. Raises KeyError or ValueError."""
        before = headers.get(BEFORE_HEADER)
        return cls(
            number_of(headers[DEPTH_HEADER]),
            NodeId.parse(headers[HEAD_HEADER]) if HEAD_HEADER in headers else None,
            () if before is None else tuple(map(Neighbour.parse, before.split(", ")[:MOST_BEFORE])),
        )

    def to_headers(self) -> dict[str, str]:
        """Return the headers that `of` reads."""
        return {
            DEPTH_HEADER: str(self.depth),
            **({HEAD_HEADER: str(self.head)} if self.head else {}),
            **({BEFORE_HEADER: spelled(self.before)} if self.before else {}),
        }


class Standing(NamedTuple):
    """How far a node is with a blob: its size and what is there of it, in bytes, its place in a chain, and how many follow.

    `front` is the digest of as many bytes as were asked about, in hex, if it knows.
    """

    size: int
    offset: int
    place: Place = Place()
    followers: int = 0
    front: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Return what an answer's headers say, or raise ValueError."""
        try:
            return cls(
                number_of(headers[SIZE_HEADER]),
                number_of(headers[OFFSET_HEADER]),
                Place.of(headers),
                number_of(headers[FOLLOWERS_HEADER]),
                headers.get(FRONT_HEADER, ""),
            )
        except KeyError as error:
            raise ValueError(f"no {error}") from error

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there, and was right."""
        return self.offset == self.size

    @property
    def most_followers(self) -> int:
        """How many may follow it in its place."""
        return most_followers(self.place.depth, self.size)

    def to_headers(self) -> dict[str, str]:
        """Return the headers that `of` reads."""
        return {
            **({FRONT_HEADER: self.front} if self.front else {}),
            SIZE_HEADER: str(self.size),
            OFFSET_HEADER: str(self.offset),
            **self.place.to_headers(),
            FOLLOWERS_HEADER: str(self.followers),
        }


def spelled(neighbours: Iterable[Neighbour]) -> str:
    """Return several nodes as one header value."""
    return ", ".join(map(str, neighbours))


def number_of(text: str) -> int:
    """Return the number in a header. Raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:40]!r}")
    return int(text)


def port_of(text: str) -> int:
    """Return the port in a header. Raises ValueError."""
    if not 0 < (port := number_of(text)) < 1 << 16:
        raise ValueError(f"not a port: {port}")
    return port
