"""What happens to a stream while it waits: answers, ends of sources, and what comes out about the bytes that are here.

A `pump` is the task that takes the bytes from one source; of one that was left before, nothing is heard any more.
"""

from dataclasses import dataclass

from p2player.peer.identity import NodeId
from p2player.peer.relay import Elsewhere
from p2player.peer.standing import Neighbour, Standing
from p2player.pull.chain.commands import Follow, GoUpstream
from p2player.pull.fetch.holders import Holder


@dataclass(frozen=True, slots=True)
class Sighted:
    """These fetch the blob, or have it."""

    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A node has said how far it is, or has not (None)."""

    node: NodeId
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class LetIn:
    """The source lets this node follow, and says how far it is."""

    pump: object
    standing: Standing


@dataclass(frozen=True, slots=True)
class SentOn:
    """The source has its followers, and names others."""

    pump: object
    instead: Elsewhere


@dataclass(frozen=True, slots=True)
class Ended:
    """No more comes from the source."""

    pump: object
    error: Exception | None


@dataclass(frozen=True, slots=True)
class Warned:
    """A node says that a block is not what the registry has."""

    by: Neighbour
    wrong: int


@dataclass(frozen=True, slots=True)
class Spoilt:
    """From this block on, what came is not what the registry has; `next` is what to begin with behind what is right."""

    wrong: int
    next: Follow | GoUpstream | None


Event = Sighted | Answered | LetIn | SentOn | Ended | Warned | Spoilt
