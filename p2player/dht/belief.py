"""Whose word counts for the meaning of a name: decided outside the DHT, heeded wherever records come in."""

from collections.abc import Callable

from p2player.dht.records import NameRecord

Belief = Callable[[NameRecord], bool]
"""Tells whether a record is believed; one that is not is as if it had never been made."""


def everybody(_: NameRecord) -> bool:
    """Believe every record."""
    return True
