"""Ends the connections over which nothing will come any more.

libtorrent ends those between two nodes that both have all of a blob only if it is told to do so at once, and byte counts
are read after that; it has a time limit for idle ones, but keeps to it only when it is short of connections. So each blob
that was ever fetched would keep a connection open between two nodes, for as long as both run.
"""

from collections.abc import Iterable

import libtorrent as lt


def end_idle(handles: Iterable[lt.torrent_handle]) -> set[lt.torrent_handle]:
    """End the connections of each complete torrent that has none to anybody who lacks some of it; return the others.

    It waits for libtorrent's network thread.
    """
    return {handle for handle in handles if not _is_done(handle)}


def _is_done(handle: lt.torrent_handle) -> bool:
    try:
        status = handle.status(0)
    except RuntimeError:
        return True  # it was removed meanwhile
    if status.num_connections == 0:
        return True
    if not status.is_seeding or status.num_seeds < status.num_connections:
        return False
    # There is no call to end connections. Who comes in between tries again within a second.
    handle.pause()
    handle.resume()
    return True
