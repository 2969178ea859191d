"""Which nodes lied, when and how: the one thing in a data directory that nothing else could tell again.

`bans.json` beside the catalog says the same as its table, and is written before the catalog commits: whichever of the two
is lost, no liar is forgiven by it. What either of them says when the store is opened holds.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from p2player.errors import InvalidConfig, P2PlayerError, StorageError
from p2player.oci.jsonobject import JsonObject
from p2player.store.catalog import Catalog
from p2player.store.durable import replace_file
from p2player.store.rows import Ban

log = logging.getLogger(__name__)

_NODE_ID_BYTES: Final = 20
_MAX_TIME: Final = 2**63 - 1


class Bans:
    """The nodes that lied. A ban holds from the moment it is made, also if the disk does not take it."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        """Take what the file at path and the catalog say, and make both say all of it."""
        self._path = path
        self._catalog = catalog
        self._lock = threading.Lock()
        self._by_node = {ban.node: ban for ban in (*_read(path), *catalog.banned())}
        self._nodes = frozenset(self._by_node)
        self._keep()

    @property
    def nodes(self) -> frozenset[bytes]:
        """The ids of those banned."""
        return self._nodes

    def all(self) -> tuple[Ban, ...]:
        """Return all bans, the oldest first."""
        with self._lock:
            return tuple(sorted(self._by_node.values(), key=lambda ban: (ban.at, ban.node)))

    def add(self, node: bytes, reason: str) -> None:
        """Ban a node for good; the first reason stays. What cannot be written now is written along with the next ban."""
        with self._lock:
            if node in self._by_node:
                return
            self._by_node[node] = Ban(node, reason, int(time.time()))
            self._nodes = frozenset(self._by_node)
            self._keep()

    def lift(self, node: bytes) -> bool:
        """Forgive a node, and tell whether it was banned. Raises StorageError: it stays banned then."""
        with self._lock:
            if node not in self._by_node:
                return False
            left = {other: ban for other, ban in self._by_node.items() if other != node}
            try:
                self._write(left.values())
            except (OSError, sqlite3.Error) as error:
                raise StorageError(
                    f"the ban cannot be taken back: {error}", hint="see the data directory's disk"
                ) from error
            self._by_node, self._nodes = left, frozenset(left)
            return True

    def _keep(self) -> None:
        try:
            self._write(self._by_node.values())
        except (P2PlayerError, OSError, sqlite3.Error) as error:
            log.warning("bans are not on the disk yet, and hold till the daemon ends: %s", error)

    def _write(self, bans: Iterable[Ban]) -> None:
        wanted = sorted(bans, key=lambda ban: ban.node)
        data = _encode(wanted)
        is_written = data == (self._path.read_bytes() if self._path.exists() else _encode([]))
        if is_written and sorted(self._catalog.banned(), key=lambda ban: ban.node) == wanted:
            return
        with self._catalog.change() as change:
            change.set_bans(wanted)
            if not is_written:
                replace_file(self._path, data)


def _encode(bans: Iterable[Ban]) -> bytes:
    members = [{"node": ban.node.hex(), "reason": ban.reason, "at": ban.at} for ban in bans]
    return json.dumps({"bans": members}, indent=1).encode()


def _node(text: str) -> bytes:
    node = bytes.fromhex(text)
    if len(node) != _NODE_ID_BYTES:
        raise ValueError(f"not a node id: {text[:80]!r}")
    return node


def _time(at: int) -> int:
    if not 0 <= at <= _MAX_TIME:  # no more fits into the catalog
        raise ValueError(f"not a time: {at}")
    return at


def _read(path: Path) -> list[Ban]:
    try:
        entries = JsonObject.parse(path.read_bytes(), path.name, InvalidConfig).objects("bans")
        return [Ban(_node(each.text("node")), each.text("reason"), _time(each.integer("at"))) for each in entries]
    except FileNotFoundError:
        return []
    except (InvalidConfig, ValueError) as error:
        log.warning("%s cannot be read, and what the catalog knows of bans has to do: %s", path, error)
        return []
