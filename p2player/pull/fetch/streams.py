"""Whether a blob is streamed (see `chain`), and whether it still can be after what came of it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.fetch.holders import Claim

MAX_RESTARTS: Final = 3
"""How often a stream that went wrong is begun anew with other nodes, before it comes from the registry and nobody else."""
FAST: Final = 48 * 1024 * 1024
"""Bytes a second from which on a stream that nobody else has a part in is limited by the two nodes, and not by their links."""
BARELY_BEGUN: Final = 8
"""Such a stream is given up for a swarm, which is easier on the nodes, while no more than one part in so many has come."""


@dataclass(slots=True)
class Streams:
    """The streams of one hunt, one after the other."""

    _state: Literal["possible", "running", "distrusted", "alone", "spent"] = "possible"
    _restarts: int = 0
    _began: float = 0.0
    _is_for_swarm: bool = False
    """Whether a stream of what one node has was given up for a swarm."""

    @property
    def is_running(self) -> bool:
        """Whether there is one."""
        return self._state in {"running", "alone"}

    @property
    def is_possible(self) -> bool:
        """Whether one can be begun in which other nodes may have a part."""
        return self._state == "possible"

    @property
    def is_left(self) -> bool:
        """Whether one can be begun, if only of what the registry sends."""
        return self._state in {"possible", "distrusted"}

    @property
    def is_spent(self) -> bool:
        """Whether there will be none any more."""
        return self._state == "spent"

    def suit(self, claims: Sequence[Claim], streaming: int) -> bool:
        """Tell whether what these claim is better streamed: one node alone has it, or no more than are streaming it."""
        if not self.is_possible or self._is_for_swarm or len(claims) > 1 or claims[0].metainfo.size <= SMALL_BLOB:
            return False
        return claims[0].is_of_one or 0 < claims[0].whole <= streaming

    def begin(self, now: float) -> bool:
        """Begin one, and tell whether it is to come from the registry alone."""
        is_alone = self._state == "distrusted"
        self._state = "alone" if is_alone else "running"
        self._began = now
        return is_alone

    def give_way(self, done: int, size: int, now: float) -> bool:
        """Give up the stream from one node to another, of which done bytes have come, for a swarm; tell whether it is time to."""
        if self._state != "running" or done * BARELY_BEGUN > size or done < FAST * max(now - self._began, 0.2):
            return False
        self._state, self._is_for_swarm = "possible", True
        return True

    def lied(self, *, was_relayed: bool, has_origin: bool) -> None:
        """Take note that what came was not the blob. It is tried again if other nodes had a part in it."""
        if not was_relayed or self._state == "alone":
            self._state = "spent"
            return
        self._restarts += 1
        is_last = self._restarts > MAX_RESTARTS
        self._state = "possible" if not is_last else "distrusted" if has_origin else "spent"

    def failed(self, *, has_news: bool) -> None:
        """Take note that nothing more comes. It is tried again if that has told something new."""
        self._state = "possible" if has_news else "spent"
