"""In which order libtorrent fetches the pieces of one blob."""

from collections.abc import Collection, Sequence

import libtorrent as lt

# How many pieces from a reader's place on are asked for before all others, and how many milliseconds apart.
_READ_AHEAD = 3
_DEADLINE_STEP = 20

# Looks at who is connected in which others who want the same blob have time to turn up: up to a second.
_LOOKS_BEFORE_ORDER = 1


class Order:
    """What comes first, and what then; have are the pieces that are here, which its owner goes on adding to."""

    def __init__(self, handle: lt.torrent_handle, count: int, have: Collection[int], *, in_order: bool) -> None:
        self._handle = handle
        self._count = count
        self._have = have
        self._is_sequential = in_order
        self._looks = 0
        self._frontier = 0  # no piece before this one is missing
        self._urgent: set[int] = set()

    def hurry(self, index: int) -> None:
        """Fetch a piece that is not here before others, and what is behind it soon."""
        self._urgent.add(index)
        if self._is_sequential and index < self._in_order() + _READ_AHEAD:
            return
        # Only for what would not come next anyway: with any deadline set, libtorrent picks every block in a mode that
        # takes it twice the time (1 GiB over loopback: 3.8 s instead of 1.7 s).
        for ahead in range(index, min(index + _READ_AHEAD, self._count)):
            if ahead not in self._have:
                self._handle.set_piece_deadline(ahead, _DEADLINE_STEP * (ahead - index))

    def _in_order(self) -> int:
        while self._frontier in self._have:
            self._frontier += 1
        return self._frontier

    # The first piece comes first, for the reader who waits for it. Then, while others who want the same blob may yet
    # turn up, rarest first: what they have in common they cannot trade. If nobody but seeds is there, in order, so
    # that the whole digest is computed on the way instead of at the end.

    def begun(self) -> None:
        """Take note that the first piece is here, or that somebody trades: what comes next does not matter."""
        self._go_sequential(False)

    def on_peers(self, connected: Sequence[lt.peer_info]) -> None:
        """Take who is connected; called a few times a second."""
        self._looks += 1
        if connected and self._looks > _LOOKS_BEFORE_ORDER:
            self._go_sequential(all(peer.flags & peer.seed for peer in connected))

    def _go_sequential(self, wanted: bool) -> None:
        if wanted != self._is_sequential:
            self._is_sequential = wanted
            self._tell()

    def _tell(self) -> None:
        flag = lt.torrent_flags.sequential_download
        (self._handle.set_flags if self._is_sequential else self._handle.unset_flags)(flag)

    def go_on(self, handle: lt.torrent_handle) -> None:
        """Have another torrent keep the same order, with all that is still waited for."""
        self._handle = handle
        self._tell()
        for index in sorted(self._urgent.difference(self._have)):
            self.hurry(index)
