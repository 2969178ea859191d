"""How a stream goes on that others have spoilt."""

from dataclasses import dataclass

from p2player.peer.standing import Neighbour
from p2player.pull.chain.commands import Follow, GoUpstream
from p2player.pull.chain.incoming import Front


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
