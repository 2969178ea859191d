"""How much has come, and from whom, over all torrents that a transfer has been."""

from collections import Counter
from collections.abc import Sequence

import libtorrent as lt

from p2player.swarm.port import Address
from p2player.swarm.settings import node_of

Connection = tuple[Address, bytes]
"""Where a peer is, and the peer id it has named."""


class Tally:
    """Counts what libtorrent counts for one torrent, and adds it to what came by those before."""

    def __init__(self) -> None:
        self.received = 0
        """Payload bytes that are not known to be wrong."""
        self.useless = 0
        """Bytes of pieces that came wrong, or a second time."""
        self.connected = 0
        """How many peers answer at the moment."""
        self._before = 0, 0
        self._earlier: Counter[Connection] = Counter()
        self._current: dict[Connection, int] = {}

    def on_status(self, status: lt.torrent_status) -> None:
        """Take what has come by the torrent of now."""
        received, useless = self._before
        # Bytes that fail their hash, or were not asked for, are no progress, however many of them a hostile peer sends.
        vain = status.total_failed_bytes + status.total_redundant_bytes
        self.useless = useless + vain
        self.received = max(self.received, received + status.total_payload_download - vain)

    def on_peers(self, connected: Sequence[lt.peer_info]) -> None:
        """Take what has come from each of those that are connected now."""
        for peer in connected:
            connection = (peer.ip, peer.pid.to_bytes())
            self._current[connection] = max(self._current.get(connection, 0), peer.total_download)
        self.connected = len(connected)

    def begin_anew(self) -> None:
        """Add what comes by another torrent to what there is."""
        self._before = self.received, self.useless
        self._earlier.update(self._current)
        self._current.clear()
        self.connected = 0

    def by_peer(self) -> Counter[str]:
        """Return the bytes from each peer: the first 8 hex digits of its node id or, if it has none, its address."""
        by_peer: Counter[str] = Counter()
        for (address, peer_id), received in self._all().items():
            if received:
                by_peer[node_of(peer_id) or f"{address[0]}:{address[1]}"] += received
        return by_peer

    def by_address(self) -> Counter[Address]:
        """Return the bytes from each address."""
        by_address: Counter[Address] = Counter()
        for (address, _), received in self._all().items():
            by_address[address] += received
        return by_address

    def _all(self) -> Counter[Connection]:
        return self._earlier + Counter(self._current)
