"""Whose bytes are right, when two nodes have got different ones: found out while they come, not when all are here.

Nodes that fetch the same blob tell each other the digest of what they have so far. If two differ, one of them was lied to, or
lies. The first segment in which they differ is found by bisection, and that one is asked of the registry.

Where all have been lied to by the one that takes the blob from the registry, they have nothing to tell each other. So now and
then one of them asks the registry for a few bytes as well, and tells the others when they are not the same. Each of them compares
those for itself, so nobody is believed.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour

BLOCK: Final = 16 * 1024
"""Bytes that are compared with the registry's at one point: whole segments would cost a tenth of a copy."""
_FIRST: Final = 512 * 1024
"""How much of a blob is here when a block is compared for the first time; who makes up everything is soon found out."""
_POINTS: Final = 16
"""At how many points of a blob a block is compared, and as it begins at a few more. What is made up from some byte on costs no
more than the time of one such part, and comparing two bytes of a hundred at most."""
_WARNINGS: Final = 8
_PATIENCE: Final = 0.5
"""Seconds for which no warning is heeded after the first one that was in vain."""


class Samples:
    """Which blocks this node is to compare with the registry's, so that about one node does at each of some points."""

    def __init__(self, digest: Digest, size: int, me: NodeId, *, start: int = 0) -> None:
        """Begin behind the first `start` bytes, which are known to be right."""
        self._digest = digest
        self._me = me
        self._points = _points(start, size)
        self._from = start

    def due(self, offset: int, others: Iterable[NodeId]) -> int | None:
        """Return where the block begins that is to be compared now that the blob is here up to offset, or None.

        Of this node and the others, the one that comes first does it; which that is, each point of the blob says anew. No
        sender can foresee which block it will be.
        """
        if not self._points or offset < self._points[0]:
            return None
        self._points = [point for point in self._points if point > offset]
        start, self._from = self._from, offset
        if min([self._me, *others], key=self._rank) != self._me:
            return None
        return start + secrets.randbelow((offset - start) // BLOCK) * BLOCK

    def _rank(self, node: NodeId) -> bytes:
        return hashlib.sha256(f"{self._digest} {len(self._points)}".encode() + node.raw).digest()


def _points(start: int, size: int) -> list[int]:
    """Return how much of a blob is here at each point: soon after its start, then at twice the distance, then at equal ones."""
    points, step = [], _FIRST
    while (point := start + step) < size:
        points.append(point)
        start, step = point, min(2 * step, max(2 * _FIRST, size // _POINTS))
    return points


class Warnings:
    """What others say that is wrong of what came here, one to be looked at at a time.

    A few are kept, since what is warned of may be yet to come. After each that was in vain the next one waits twice as long, so
    that whoever makes them up does not have the registry asked again and again.
    """

    def __init__(self, now: Callable[[], float], known: Iterable[int]) -> None:
        """Heed nothing about the blocks that are known to have been wrong before."""
        self._now = now
        self._known = set(known)
        self._waiting: dict[int, Neighbour] = {}
        self._is_looking = False
        self._patience = _PATIENCE
        self._not_before = 0.0

    def add(self, by: Neighbour, wrong: int) -> None:
        """Take a warning, unless it is known already, is of no block, or too many wait."""
        if wrong % BLOCK == 0 and wrong not in self._known and len(self._waiting) < _WARNINGS:
            self._waiting.setdefault(wrong, by)

    def due(self, is_here: Callable[[int], bool]) -> tuple[Neighbour, int] | None:
        """Return a warning about something that is here, to be looked at now; `looked_at` is to be called then."""
        if self._is_looking or self._now() < self._not_before:
            return None
        wrong = next(filter(is_here, self._waiting), None)
        if wrong is None:
            return None
        self._is_looking = True
        self._known.add(wrong)
        return self._waiting.pop(wrong), wrong

    def looked_at(self, *, is_right: bool) -> None:
        """Take note of what came out."""
        self._is_looking = False
        if is_right:
            self._not_before = self._now() + self._patience
            self._patience *= 2


async def first_wrong(is_right: Callable[[int], Awaitable[bool]], wrong: int, step: int) -> int:
    """Return where the first wrong segment begins, given that the one at `wrong` is, and that all behind the first one are.

    `step` is how many bytes a segment has.
    """
    first, last = 0, wrong // step
    while first < last:
        middle = (first + last) // 2
        if await is_right(middle * step):
            first = middle + 1
        else:
            last = middle
    return first * step


async def first_difference(
    mine: Callable[[int], str], theirs: Callable[[int], Awaitable[str]], differs: int, step: int
) -> int | None:
    """Return where the first segment begins that is not the same, given that the first `differs` bytes are not.

    `step` is how many bytes a segment has; `mine` and `theirs` tell the digest of as many bytes as they are given, in hex. None if
    the other does not say.
    """
    same = 0
    while differs - same > step:
        middle = (same + differs) // 2 // step * step
        if not (other := await theirs(middle)):
            return None
        if other == mine(middle):
            same = middle
        else:
            differs = middle
    return same
