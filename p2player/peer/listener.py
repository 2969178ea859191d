"""One TCP port that speaks HTTP: what the peer interface and the registry endpoint have in common."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from p2player.counters import Counters
from p2player.errors import AddressUnusable

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_IDLE_SECONDS = 75.0  # also how long a client may take over one request's headers
_GRACE_SECONDS = 1.0  # for answers under way when the port is closed
_BACKLOG = 1024


class Listener:
    """A port that hands each well-formed request to one handler.

    A handler raises nothing but what ends its connection; it is cancelled when its client leaves. Every answer 400,
    whether the handler's or to bytes that are no HTTP at all, is counted as dropped under `malformed`.
    """

    def __init__(self, handler: Handler, counters: Counters, malformed: str) -> None:
        self._handler = handler
        self._counters = counters
        self._malformed = malformed
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Return the address that is now listened on; port 0 picks a free one. Raises AddressUnusable."""
        server = web.Server(
            self._handler,
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            logger=_http_log,
            access_log_class=_malformed_counter(self._counters, self._malformed),
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_GRACE_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            await self.close()
            raise AddressUnusable(
                f"cannot listen on {host}:{port}: {error.strerror or error}", hint="choose another address or port"
            ) from error
        bound = self._runner.addresses[0]
        return bound[0], bound[1]

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _malformed_counter(counters: Counters, name: str) -> type[AbstractAccessLogger]:
    """Return an access logger that counts instead of writing: the one hook that sees answers to what is no HTTP."""

    class MalformedCounter(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            if response.status == web.HTTPBadRequest.status_code:
                counters.drop(name)

    return MalformedCounter


def _demote(record: logging.LogRecord) -> bool:
    """Let a record through at level DEBUG: garbage from a stranger is no error of ours."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return True


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_demote)
