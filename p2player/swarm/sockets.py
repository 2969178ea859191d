"""The connections that libtorrent has open, found among the descriptors of this process: it has no call to end one of them."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from p2player.swarm.port import Address

_DESCRIPTORS: Final = Path("/proc/self/fd")


def connections() -> Iterator[tuple[int, Address, socket.socket]]:
    """Yield the port here and the address there of each TCP connection of this process, and a descriptor of its own for it."""
    for link in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # it was closed meanwhile, or has no other end
            if not str(link.readlink()).startswith("socket:"):
                continue
            connection = socket.socket(fileno=os.dup(int(link.name)))
            try:
                if connection.family not in {socket.AF_INET, socket.AF_INET6} or connection.type != socket.SOCK_STREAM:
                    raise OSError("no TCP")  # noqa: TRY301  (as for one without another end)
                port, peer = connection.getsockname()[1], connection.getpeername()[:2]
            except OSError:
                connection.close()
                raise
            yield port, peer, connection


def end(connection: socket.socket) -> None:
    """End a connection, whoever else has a descriptor for it."""
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def cut_off(peer: Address) -> None:
    """End all connections of this process to peer."""
    for _, other, connection in connections():
        with connection:
            if other == peer:
                end(connection)
