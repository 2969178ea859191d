"""What came of one blob that was not right, and from whom it may have come."""

from collections import Counter
from collections.abc import Collection
from typing import Final

from p2player.swarm.port import Address, Spoilt
from p2player.swarm.settings import node_of

FLOOD: Final = 32
"""How many blocks that nobody asked for make their sender a flooder: as many as are asked of a peer at once.

An honest one sends a block now and then that libtorrent had given up: in swarms of sixteen with silent, slow and lying nodes
no peer sent more than three."""


class Blame:
    """Who may be to blame. It proves nothing of anybody."""

    def __init__(self) -> None:
        self._failed_pieces: set[int] = set()
        self._accused: set[tuple[Address, bytes]] = set()
        self._unasked: Counter[Address] = Counter()

    def on_hash_failed(self, index: int) -> None:
        """Take note that a piece came wrong."""
        self._failed_pieces.add(index)

    def accuse(self, address: Address, peer_id: bytes) -> None:
        """Take note that some of a piece that came wrong is from there."""
        self._accused.add((address, peer_id))

    def on_unasked(self, address: Address) -> None:
        """Take note of a block from there that nobody asked for."""
        self._unasked[address] += 1

    def is_flooder(self, address: Address) -> bool:
        """Tell whether so many blocks came from there that nobody asked for, that it is cut off."""
        return self._unasked[address] >= FLOOD

    def spoilt(self, known: Collection[Address]) -> Spoilt:
        """Return all of it; known is where those are that this node was told of."""
        names = (node_of(peer_id) for _, peer_id in self._accused)
        return Spoilt(
            frozenset(self._failed_pieces),
            frozenset(address for address, _ in self._accused),
            frozenset(name for name in names if name),
            # Who sits at another address has connected from there, and may be anybody.
            frozenset(address for address in known if self.is_flooder(address)),
        )
