"""Whose records take up how much of what a node keeps for others."""

from typing import Final

Place = tuple[bytes, bytes | str]
"""A DHT key, and under it the id of a provider or a name."""

_NOTHING: Final[dict[Place, None]] = {}


class Shares:
    """The places of records by who signed them, oldest first."""

    def __init__(self) -> None:
        self._places: dict[bytes, dict[Place, None]] = {}

    def add(self, signer: bytes, place: Place) -> None:
        """Note that a record of signer is kept at place."""
        self._places.setdefault(signer, {})[place] = None

    def remove(self, signer: bytes, place: Place) -> None:
        """Note that it no longer is."""
        places = self._places[signer]
        del places[place]
        if not places:
            del self._places[signer]

    def count(self, signer: bytes) -> int:
        """Return how many records of signer are kept."""
        return len(self._places.get(signer, _NOTHING))

    def largest(self) -> bytes:
        """Return who has most; raises ValueError if nothing is kept."""
        return max(self._places, key=self.count)

    def oldest(self, signer: bytes) -> Place:
        """Return where the record of signer is that came first."""
        return next(iter(self._places[signer]))
