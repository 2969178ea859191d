"""TLS for a listener, such that who never gets through a handshake costs little.

asyncio's own TLS servers keep every accepted connection through its handshake, however many there are, and do not tell of
those that fail. Here the connections in their handshake are limited in time and number, of one host and of all, and the
others are counted.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

from p2player.tasks import Tasks

Refused = Callable[[], None]

HANDSHAKE_SECONDS: Final = 5.0
MAX_AT_ONCE: Final = 512
MAX_AT_ONCE_OF_A_HOST: Final = 64
_SHUTDOWN_SECONDS: Final = 1.0


class Handshakes:
    """Makes protocols for `create_server` that speak TLS to the other end and hand what is inside on to inner ones."""

    def __init__(
        self,
        inner: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        refused: Refused,
        *,
        seconds: float = HANDSHAKE_SECONDS,
        at_once: int = MAX_AT_ONCE,
        at_once_of_a_host: int = MAX_AT_ONCE_OF_A_HOST,
    ) -> None:
        """Call refused for each connection that gets no further than its handshake, or not even there."""
        self._inner = inner
        self._context = context
        self._refused = refused
        self._seconds = seconds
        self._limits = (at_once, at_once_of_a_host)
        self._under_way: Counter[str] = Counter()
        self._tasks = Tasks("TLS handshakes")

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a connection that was just accepted."""
        return _Accepted(self)

    async def close(self) -> None:
        """End the handshakes that are under way."""
        await self._tasks.close()

    def begin(self, transport: asyncio.Transport) -> None:
        """Begin the handshake of a connection, or close it if there are too many."""
        host = (transport.get_extra_info("peername") or ("",))[0]
        at_once, at_once_of_a_host = self._limits
        if self._under_way.total() >= at_once or self._under_way[host] >= at_once_of_a_host:
            transport.abort()
            self._refused()
            return
        self._under_way[host] += 1
        self._tasks.spawn(self._shake(transport, host), "TLS handshake")

    async def _shake(self, transport: asyncio.Transport, host: str) -> None:
        waiting = _Waiting()
        try:
            inside = await asyncio.get_running_loop().start_tls(
                transport,
                waiting,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except OSError:  # ssl.SSLError and all that breaks a connection are OSErrors
            transport.abort()
            self._refused()
        except BaseException:
            transport.abort()
            raise
        else:
            if inside is None or waiting.is_lost or transport.is_closing():
                transport.abort()
                self._refused()
                return
            waiting.hand_over(inside, self._inner())
        finally:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host]


class _Accepted(asyncio.Protocol):
    def __init__(self, handshakes: Handshakes) -> None:
        self._handshakes = handshakes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._handshakes.begin(cast("asyncio.Transport", transport))


class _Waiting(asyncio.Protocol):
    """Keeps what comes right behind a handshake, before anybody could be told that it has ended."""

    def __init__(self) -> None:
        self._early: list[bytes] = []
        self._is_at_end = False
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def eof_received(self) -> bool:
        self._is_at_end = True
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost = True

    def hand_over(self, transport: asyncio.Transport, inner: asyncio.Protocol) -> None:
        """Let inner have the connection from here on, and from its first byte."""
        transport.set_protocol(inner)
        inner.connection_made(transport)
        for data in self._early:
            inner.data_received(data)
        if self._is_at_end:
            inner.eof_received()
