"""What the rest of p2player asks of a swarm. `session.Swarm` does it with libtorrent, `memory.MemorySwarm` without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from p2player.store.merkle import MerkleTree
from p2player.swarm.metainfo import Metainfo

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SwarmPeer:
    """Where a peer listens, and whether it is known to have the whole blob."""

    address: Address
    is_seed: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is: verified bytes, payload bytes that are not known to be wrong, those received by peer, connections."""

    done: int
    received: int
    by_peer: Mapping[str, int] = field(default_factory=dict)
    connected: int = 0
    """How many peers answer at the moment, whether they send anything or not."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Which pieces came wrong, and from whom they may have come: at which addresses, or by which node ids' first 8 hex digits.

    That proves nothing of anybody: a peer names itself as it likes.
    """

    pieces: frozenset[int] = frozenset()
    addresses: frozenset[Address] = frozenset()
    names: frozenset[str] = frozenset()
    flooders: frozenset[Address] = frozenset()
    """At which of the addresses this node was given somebody has sent far more than he was asked for."""


class Transfer(Protocol):
    """One blob on its way into a file. Its pieces are checked against the root; the whole digest is not its business."""

    metainfo: Metainfo

    async def piece(self, index: int) -> bytes:
        """Return one verified piece as soon as can be: it is fetched before others. Raises what `fail` was given."""

    async def written(self, index: int) -> int:
        """Wait until a piece is verified and in the file. Raises what `fail` was given.

        Returns the first piece behind it that may not be: all between the two can be read from the file.
        """

    def connect(self, peers: Sequence[SwarmPeer]) -> None:
        """Add peers to fetch from; known ones are not added twice."""

    def missing(self) -> Sequence[int]:
        """Return the pieces that are not here yet, in order."""

    def give(self, index: int, data: bytes) -> None:
        """Take a piece from elsewhere; it is checked like any other, and dropped if it is not the right one."""

    def progress(self) -> Progress:
        """Return how far it is."""

    def spoilt(self) -> Spoilt:
        """Return what has come so far that was not of the root's tree."""

    def fail(self, error: Exception) -> None:
        """End it: whoever waits for a piece gets error."""

    async def complete(self) -> MerkleTree:
        """Return the blob's hash tree once every byte is in the file; `progress` no longer changes then."""

    async def move(self, path: Path) -> None:
        """Go on seeding from path, another link to the same file. No piece is to be had from here any more."""


class Swarms(Protocol):
    """All swarms of one node."""

    def seed(self, metainfo: Metainfo, path: Path, piece_layer: bytes) -> None:
        """Serve a verified file to whoever asks, until `stop_seeding`."""

    def stop_seeding(self, metainfo: Metainfo) -> None:
        """Serve it no longer; nothing happens if it was not served."""

    def fetch(self, metainfo: Metainfo, path: Path, peers: Sequence[SwarmPeer]) -> Transfer:
        """Return a transfer of the blob from peers into the file at path."""

    def abandon(self, transfer: Transfer) -> None:
        """Leave the swarm of a transfer and forget it. The file stays for its owner to remove."""
