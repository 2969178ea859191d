"""What a course says is to be done, and what a blob may be taken from."""

from dataclasses import dataclass
from typing import Literal

from p2player.errors import P2PlayerError
from p2player.peer.standing import Neighbour


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask these how far they are."""

    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """Take the blob from this node from now on, and from nobody else. Insist: although others follow it already."""

    neighbour: Neighbour
    insist: bool = False


@dataclass(frozen=True, slots=True)
class GoUpstream:
    """Take the blob from its registry from now on."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Nobody is left to take it from."""

    error: P2PlayerError


Command = Ask | Follow | GoUpstream | Fail
Source = Neighbour | Literal["upstream"]
