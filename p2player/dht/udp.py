"""The one place where the DHT meets a socket. Tests and simulations put a network of their own in its place."""

import asyncio
import contextlib
import fcntl
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias, cast

from p2player.dht.vantage import is_loopback
from p2player.dht.wire import Address

OpenDatagrams: TypeAlias = Callable[[asyncio.DatagramProtocol, str, int], Awaitable[Address]]
"""Connects a protocol to (host, port), port 0 meaning any, and returns the address bound; raises OSError."""

_RECEIVE_BUFFER: Final = 1 << 20
_SIOCGIFADDR: Final = 0x8915
_MAPPED: Final = "::ffff:"
_ELSEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737, RFC 3849


async def open_udp(protocol: asyncio.DatagramProtocol, host: str, port: int) -> Address:
    """Bind protocol to a UDP socket; see OpenDatagrams."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _DualStack(protocol) if ":" in host else protocol, local_addr=(host, port)
    )
    sock = cast("socket.socket", transport.get_extra_info("socket"))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return Address(*sock.getsockname()[:2])


def host_seen_elsewhere(bound_host: str) -> str:
    """Return a local address that other machines may see, or else a loopback one. Nothing is sent."""
    family = socket.AF_INET6 if ":" in bound_host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE[family], 9))  # fails without a route to elsewhere, in an isolated network
        return str(probe.getsockname()[0])
    return next(_interface_addresses(), "::1" if family is socket.AF_INET6 else "127.0.0.1")


def _interface_addresses() -> Iterator[str]:
    """Yield the first IPv4 address of every interface but the loopback one (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("40s", name.encode()))
                address = socket.inet_ntoa(answer[20:24])
                if not is_loopback(address):
                    yield address


class _DualStack(asyncio.DatagramProtocol):
    """Lets a protocol on an IPv6 socket see IPv4 nodes at their IPv4 addresses (RFC 4291, section 2.5.5.2)."""

    def __init__(self, inner: asyncio.DatagramProtocol) -> None:
        self._inner = inner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(_MappingTransport(cast("asyncio.DatagramTransport", transport)))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._inner.datagram_received(data, (addr[0].removeprefix(_MAPPED), addr[1]))

    def error_received(self, exc: Exception) -> None:
        self._inner.error_received(exc)


class _MappingTransport(asyncio.DatagramTransport):
    def __init__(self, inner: asyncio.DatagramTransport) -> None:
        super().__init__()
        self._inner = inner

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        host, port = addr
        self._inner.sendto(data, (host if ":" in host else _MAPPED + host, port))

    def close(self) -> None:
        self._inner.close()
