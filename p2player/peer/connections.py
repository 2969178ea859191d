"""An HTTP server with room for so many connections: whoever holds many open and asks nothing keeps out nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_AT_ONCE: Final = 512


class BoundedServer(web.Server):
    """Hands each request to one handler. One connection too many takes the place of the one that is idle longest.

    A connection is idle while no request of it is being answered, also while its request is still coming in. If none is
    idle, the new one is ended; `on_full` hears of each that is.
    """

    def __init__(self, handler: Handler, *, at_once: int, on_full: Callable[[], None], **options: Any) -> None:
        super().__init__(self._answer, **options)
        self._handler = handler
        self._at_once = at_once
        self._on_full = on_full
        # Dictionaries keep the order in which things were put in.
        self._idle: dict[RequestHandler, asyncio.Transport] = {}
        self._busy: dict[RequestHandler, asyncio.Transport] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Take in a connection (called by aiohttp)."""
        super().connection_made(handler, transport)
        self._idle[handler] = transport
        if len(self._idle) + len(self._busy) > self._at_once:
            longest = next(iter(self._idle))
            self._idle.pop(longest).abort()
            self._on_full()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection (called by aiohttp)."""
        super().connection_lost(handler, exc)
        self._idle.pop(handler, None)
        self._busy.pop(handler, None)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if transport := self._idle.pop(connection, None):
            self._busy[connection] = transport
        try:
            return await self._handler(request)
        finally:
            if transport := self._busy.pop(connection, None):
                self._idle[connection] = transport
