"""Which of a digest's many providers are kept for others, and which of them are named first.

Where there are more than are kept, those that have it whole stay: in a crowd larger than that, they are who it all comes from. So do
the few of those who fetch it that all who ask are told first. Whoever asks is told of both kinds in turn: a few that have it whole
cannot give it to everybody, and those who fetch it give each other what they have.
"""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import chain, zip_longest
from typing import Final, Protocol, TypeVar

from p2player.dht.records import Provider

T = TypeVar("T")

MAX_PROVIDERS_OF_KEY: Final = 256
SEEN_BY_ALL: Final = 2
"""How many of those who are fetching a digest are named first to whoever asks."""


class Held(Protocol):
    """What counts of a provider's record."""

    @property
    def expires(self) -> int:
        """When it is worth nothing any more, in milliseconds since the epoch."""
        ...

    @property
    def complete(self) -> bool:
        """Whether it says that its signer has all of the digest."""
        ...

    @property
    def withdrawn(self) -> bool:
        """Whether it says that its signer has nothing of it any more."""
        ...


def gives_way(key: bytes, held: Mapping[bytes, Held], newcomer: Held) -> bytes | None:
    """Return whose record gives way to a newcomer's where there is no room, or None if the newcomer does.

    What is not whole gives way first, then what expires soonest.
    """
    # Those named first to all stay: else each part of a crowd larger than this would be told of others.
    first = next_behind(key, (node for node, one in held.items() if not (one.complete or one.withdrawn)))
    least = min(
        (node for node in held if node not in first), key=lambda node: (_is_whole(held[node]), held[node].expires)
    )
    return None if _is_whole(held[least]) and not _is_whole(newcomer) else least


def next_behind(key: bytes, node_ids: Iterable[bytes]) -> list[bytes]:
    """Return the SEEN_BY_ALL of these nodes that come next behind a key on their ring, the next one first."""
    return nsmallest(SEEN_BY_ALL, node_ids, key=lambda node_id: around(key, node_id))


def around(key: bytes, node_id: bytes) -> tuple[bool, bytes]:
    """Return what sorts node ids by how soon they come behind a key on their ring."""
    return node_id < key, node_id


def in_turn(whole: Sequence[T], partial: Sequence[T], turn: int) -> list[T]:
    """Return providers as they are named to who draws this turn, given those of each kind in the order behind the key.

    The first of those who fetch it come first for everybody: they have to agree on which of them asks its registry.
    """
    return _mixed(turned(whole, turn), [*partial[:SEEN_BY_ALL], *turned(partial[SEEN_BY_ALL:], turn)])


def turned(group: Sequence[T], turn: int) -> list[T]:
    """Return the group from another one on with each turn."""
    start = turn % len(group) if group else 0
    return [*group[start:], *group[:start]]


def some_of(providers: Iterable[Provider], want: int) -> list[Provider]:
    """Return at most so many of these, as many of each kind if there are; those that have it whole first."""
    known = list(providers)
    mixed = _mixed([it for it in known if it.complete], [it for it in known if not it.complete])
    return sorted(mixed[:want], key=lambda provider: not provider.complete)


def _mixed(whole: Iterable[T], partial: Iterable[T]) -> list[T]:
    return [each for each in chain.from_iterable(zip_longest(whole, partial)) if each is not None]


def _is_whole(held: Held) -> bool:
    return held.complete and not held.withdrawn
