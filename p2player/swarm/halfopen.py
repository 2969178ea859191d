"""An end for connections that never get through the TLS handshake of a swarm port.

libtorrent waits for such a handshake as long as the other end likes, with no limit to how many there are, so that anybody
could use up this process's descriptors. What it has accepted can be seen among them; what it has let in, it tells.
"""

import socket
from collections.abc import Iterator
from typing import Final

from p2player.swarm.port import Address
from p2player.swarm.sockets import connections, end

HANDSHAKE_SECONDS: Final = 10.0
MAX_AT_ONCE: Final = 256


class HalfOpen:
    """Those who have connected to a port of this process and are not let in yet."""

    def __init__(self, port: int, *, seconds: float = HANDSHAKE_SECONDS, at_once: int = MAX_AT_ONCE) -> None:
        self._port = port
        self._seconds = seconds
        self._at_once = at_once
        self._since: dict[Address, float] = {}
        self._let_in: set[Address] = set()

    def let_in(self, peer: Address) -> None:
        """Take note that a peer's handshake has succeeded."""
        self._let_in.add(peer)

    def look(self, now: float) -> int:
        """Cut off who has taken too long at time now, and the oldest of those that are too many; returns how many."""
        present = dict(_accepted(self._port))
        try:
            self._let_in.intersection_update(present)
            self._since = {peer: self._since.get(peer, now) for peer in present if peer not in self._let_in}
            waiting = sorted(self._since, key=self._since.__getitem__)
            late = [peer for peer in waiting if now - self._since[peer] > self._seconds]
            doomed = dict.fromkeys([*late, *waiting[: max(0, len(waiting) - self._at_once)]])
            for peer in doomed:
                end(present[peer])
            return len(doomed)
        finally:
            for connection in present.values():
                connection.close()


def _accepted(port: int) -> Iterator[tuple[Address, socket.socket]]:
    """Yield the other end of each connection that this process has accepted at port, and a descriptor of its own for it."""
    for here, peer, connection in connections():
        if here == port:
            yield peer, connection
        else:
            connection.close()
