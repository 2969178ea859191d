"""What a node remembers over a restart: whom it knew, and the records it kept for others.

Records are signed, so they are checked on the way back like any that come from the network; with them a cluster whose
nodes are restarted one by one forgets nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2player.dht.packing import pack, unpack
from p2player.dht.wire import Address
from p2player.store.durable import replace_file


@dataclass(frozen=True, slots=True)
class State:
    """Addresses of nodes, nearest first, and packed records."""

    neighbours: tuple[Address, ...] = ()
    records: tuple[bytes, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "State":
        """Return the state saved at path, an empty one if there is none that can be read."""
        try:
            return _parse(unpack(path.read_bytes()))
        except (OSError, ValueError):
            return cls()

    def save(self, path: Path) -> None:
        """Write this state to path, whole or not at all, and wait for the disk; raises OSError, DiskFull."""
        replace_file(path, pack([[list(address) for address in self.neighbours], list(self.records)]))


def _parse(value: Any) -> State:
    match value:
        case [list(neighbours), list(records)] if all(isinstance(record, bytes) for record in records):
            return State(tuple(map(_parse_address, neighbours)), tuple(records))
    raise ValueError("not a saved state")


def _parse_address(value: Any) -> Address:
    match value:
        case [str(host), int(port)] if 0 < port < 1 << 16:
            return Address(host, port)
    raise ValueError("not an address")
