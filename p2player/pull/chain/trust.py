"""Whom this node believes when only signatures vouch for bytes, and who is found out by them afterwards.

Until a whole blob has matched its digest nobody knows whether its segments are right. If it does not match, what was received
is remembered; once the right blob is here, from wherever it came, the two are compared. Two things prove a lie:

- the signer of a wrong segment has signed a last one in the same run: it said that its whole digest matched;
- the sender of a wrong segment has sent a last one over the same connection: honest nodes pass on the last segment only when
  all that they have passed on before is part of the digest.

Anybody else who signed a wrong segment may have been given it by its registry. It is avoided for a while.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.segments import end_of, segment_bytes
from p2player.pull.chain.incoming import Received

SUSPECTED: Final = 3600.0
"""Seconds for which a node is avoided that has signed wrong bytes and may have been given them."""
MOST_LIARS: Final = 3
"""How many nodes may agree on a lie: what no more than these say they have is compared with the registry, whoever they are."""
_TOO_OFTEN: Final = 2
_KEPT: Final = 32
"""Failed fetches that are remembered: 250 bytes a segment."""
_MOST_PROVED: Final = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has lied, and who has signed wrong bytes that it may have been given, at which offsets."""

    liars: frozenset[NodeId] = frozenset()
    suspects: frozenset[NodeId] = frozenset()
    wrong: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Failed:
    size: int
    received: tuple[Received, ...]

    def is_last(self, one: Received) -> bool:
        return end_of(one.segment.offset, self.size) == self.size

    def hash_of(self, one: Received, right: Sequence[bytes]) -> bytes:
        """Return which of the right segments' hashes is at its place, or nothing behind the last one."""
        index = one.segment.offset // segment_bytes(self.size)
        return right[index] if index < len(right) else b""


class Trust:
    """What one node thinks of the others, for as long as it runs."""

    def __init__(self, bans: Callable[[], frozenset[bytes]], now: Callable[[], float]) -> None:
        self._bans = bans
        self._now = now
        self._suspected_until: dict[NodeId, float] = {}
        self._failed: OrderedDict[Digest, list[_Failed]] = OrderedDict()
        self._proved: OrderedDict[NodeId, None] = OrderedDict()

    def believes(self, node: NodeId, digest: Digest) -> bool:
        """Tell whether a node is followed, and what it has signed of digest is taken.

        Not if it is banned or suspected, nor if it has signed what is in doubt of that digest. Who has sent that, and signed
        nothing, was mostly lied to as well. Who has sent such twice is not followed either: it may sign with keys of the moment.
        """
        if node.raw in self._bans() or self._suspected_until.get(node, 0.0) > self._now():
            return False
        failures = self._failed.get(digest, ())
        sent = sum(any(one.sender == node for one in failed.received) for failed in failures)
        return sent < _TOO_OFTEN and all(one.segment.node != node for failed in failures for one in failed.received)

    def doubt(self, digest: Digest, size: int, received: Sequence[Received]) -> None:
        """Remember what others have sent of a blob that turned out not to be its digest."""
        if received:
            self._failed.setdefault(digest, []).append(_Failed(size, tuple(received)))
            while sum(map(len, self._failed.values())) > _KEPT:
                self._failed.popitem(last=False)

    def needs_no_proof(self, whole: Collection[NodeId]) -> bool:
        """Tell whether what these say they have need not be compared with the registry.

        They are more than may lie at once, so that one who tells the truth would contradict; and one of them has given right
        bytes before, as a liar can have many names.
        """
        return len(whole) > MOST_LIARS and any(node in self._proved for node in whole)

    def prove(self, nodes: Iterable[NodeId]) -> None:
        """Take note that these have given bytes that were right."""
        for node in nodes:
            self._proved[node] = None
            self._proved.move_to_end(node)
        while len(self._proved) > _MOST_PROVED:
            self._proved.popitem(last=False)

    def settle(self, digest: Digest, path: Path) -> Verdict:
        """Return what comes out about all that was in doubt, now that the file at path is the blob. Reads it if need be."""
        failures = self._failed.pop(digest, [])
        if not failures:
            return Verdict()
        right: dict[int, list[bytes]] = {}
        for step in {segment_bytes(failed.size) for failed in failures}:
            if (hashes := _hashes(path, digest, step)) is None:
                return Verdict()
            right[step] = hashes
        verdicts = [_judge(failed, right[segment_bytes(failed.size)]) for failed in failures]
        liars = frozenset[NodeId]().union(*(verdict.liars for verdict in verdicts))
        suspects = frozenset[NodeId]().union(*(verdict.suspects for verdict in verdicts)) - liars
        self._suspected_until.update((node, self._now() + SUSPECTED) for node in suspects)
        return Verdict(liars, suspects, frozenset[int]().union(*(verdict.wrong for verdict in verdicts)))


def _judge(failed: _Failed, right: Sequence[bytes]) -> Verdict:
    wrong = [one for one in failed.received if one.segment.sha256 != failed.hash_of(one, right)]
    last = [one for one in failed.received if failed.is_last(one)]
    runs = {(one.segment.node, one.segment.run) for one in last}
    connections = {one.connection for one in last}
    liars = {one.segment.node for one in wrong if (one.segment.node, one.segment.run) in runs}
    liars |= {one.sender for one in wrong if one.sender and one.connection in connections}
    doubtful = [one.segment for one in wrong if one.segment.node not in liars]
    return Verdict(frozenset(liars), frozenset(one.node for one in doubtful), frozenset(one.offset for one in doubtful))


def _hashes(path: Path, digest: Digest, step: int) -> list[bytes] | None:
    """Return the hash of each segment of `step` bytes of a file, or None if the disk does not give back what has this digest."""
    whole, hashes = digest.hasher(), []
    with path.open("rb") as file:
        while data := file.read(step):
            whole.update(data)
            hashes.append(hashlib.sha256(data).digest())
    return hashes if whole.hexdigest() == digest.hex else None
