"""One TCP port that speaks HTTP: what the peer interface and the registry endpoint have in common."""

import asyncio
import logging
import socket
import ssl

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from p2player.counters import Counters
from p2player.errors import AddressUnusable
from p2player.peer.connections import MAX_AT_ONCE, BoundedServer, Handler
from p2player.peer.handshakes import Handshakes

_IDLE_SECONDS = 75.0  # also how long a client may take over one request's headers
_STALLED_SECONDS = 60.0  # how long a client may take nothing of what was sent to it
_GRACE_SECONDS = 1.0  # for answers under way when the port is closed
_BACKLOG = 1024


class Listener:
    """A port that hands each well-formed request to one handler.

    A handler raises nothing but what ends its connection; it is cancelled when its client leaves. Every answer 400,
    whether the handler's or to bytes that are no HTTP at all, is counted as dropped under `malformed`, and each connection
    that does not get through its TLS handshake under `refused` (the same, unless it is given). A client that takes nothing of
    what is sent to it for `stalled` seconds is cut off, so that it cannot hold files open for ever. There are never more than
    MAX_AT_ONCE connections; each that has to go for another is counted as `crowded`.
    """

    def __init__(
        self,
        handler: Handler,
        counters: Counters,
        malformed: str,
        *,
        refused: str = "",
        stalled: float = _STALLED_SECONDS,
    ) -> None:
        self._handler = handler
        self._counters = counters
        self._malformed = malformed
        self._refused = refused or malformed
        self._crowded = f"{malformed.partition('.')[0]}.crowded"
        self._stalled_ms = int(stalled * 1000)
        self._runner: web.ServerRunner | None = None
        self._handshakes: Handshakes | None = None

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Return the address that is now listened on; port 0 picks a free one. Raises AddressUnusable."""
        server = BoundedServer(
            self._answer,
            at_once=MAX_AT_ONCE,
            on_full=lambda: self._counters.drop(self._crowded),
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            logger=_http_log,
            access_log_class=_malformed_counter(self._counters, self._malformed),
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_GRACE_SECONDS)
        await self._runner.setup()
        try:
            if tls is None:
                await web.TCPSite(self._runner, host, port, backlog=_BACKLOG).start()
            else:
                self._handshakes = Handshakes(server, tls, lambda: self._counters.drop(self._refused))
                await _TlsSite(self._runner, self._handshakes, host, port).start()
        except OSError as error:
            await self.close()
            raise AddressUnusable(
                f"cannot listen on {host}:{port}: {error.strerror or error}", hint="choose another address or port"
            ) from error
        bound = self._runner.addresses[0]
        return bound[0], bound[1]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            # By the kernel: only it sees what the other end takes while sendfile is at work (tcp(7)).
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._stalled_ms)
        return await self._handler(request)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._handshakes is not None:
            await self._handshakes.close()
            self._handshakes = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class _TlsSite(web.BaseSite):
    """A port whose connections are handed to `Handshakes` first."""

    __slots__ = ("_handshakes", "_host", "_port")

    def __init__(self, runner: web.ServerRunner, handshakes: Handshakes, host: str, port: int) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._handshakes, self._host, self._port = handshakes, host, port

    @property
    def name(self) -> str:
        return f"https://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._handshakes, self._host, self._port, backlog=_BACKLOG)


def _malformed_counter(counters: Counters, name: str) -> type[AbstractAccessLogger]:
    """Return an access logger that counts instead of writing: the one hook that sees answers to what is no HTTP."""

    class MalformedCounter(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            if response.status == web.HTTPBadRequest.status_code:
                counters.drop(name)

    return MalformedCounter


def _demote(record: logging.LogRecord) -> bool:
    """Let a record through at level DEBUG and without its traceback.

    Garbage from a stranger is no error of ours, and the traceback shows bytes that may be somebody's credentials.
    """
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    if record.exc_info and record.exc_info[0]:
        record.msg, record.exc_info = f"{record.msg}: {record.exc_info[0].__name__}", None
    return True


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_demote)
