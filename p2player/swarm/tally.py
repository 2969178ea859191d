"""How much of one blob has come, and from whom."""

from collections import Counter
from collections.abc import Sequence

import libtorrent as lt

from p2player.swarm.port import Address
from p2player.swarm.settings import node_of

Connection = tuple[Address, bytes]
"""Where a peer is, and the peer id it has named."""


class Tally:
    """Counts what libtorrent counts for a torrent."""

    def __init__(self) -> None:
        self.received = 0
        """Payload bytes that are not known to be wrong."""
        self.useless = 0
        """Bytes of pieces that came wrong, or a second time."""
        self.connected = 0
        """How many peers answer at the moment."""
        self._connections: dict[Connection, int] = {}

    def on_status(self, status: lt.torrent_status) -> None:
        """Take what has come."""
        # Bytes that fail their hash, or were not asked for, are no progress, however many of them a hostile peer sends.
        self.useless = status.total_failed_bytes + status.total_redundant_bytes
        self.received = max(self.received, status.total_payload_download - self.useless)

    def on_peers(self, connected: Sequence[lt.peer_info]) -> None:
        """Take what has come from each of those that are connected now."""
        for peer in connected:
            connection = (peer.ip, peer.pid.to_bytes())
            self._connections[connection] = max(self._connections.get(connection, 0), peer.total_download)
        self.connected = len(connected)

    def by_peer(self) -> Counter[str]:
        """Return the bytes from each peer: the first 8 hex digits of its node id or, if it has none, its address."""
        by_peer: Counter[str] = Counter()
        for (address, peer_id), received in self._connections.items():
            if received:
                by_peer[node_of(peer_id) or f"{address[0]}:{address[1]}"] += received
        return by_peer
