"""The bodies of HTTP answers, taken in chunks that are worth their work instead of with each packet that comes."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

_TLS_RECORD: Final = 17 * 1024
"""Bytes at most that TLS holds back because the rest of their record has not come (RFC 8446, section 5.2)."""


async def chunks_of(response: aiohttp.ClientResponse, step: int) -> AsyncGenerator[bytes, None]:
    """Yield a body as it comes, woken up by the system once there is as much as is missing of each `step` bytes.

    Nothing is delayed that is wanted in whole steps. Raises what aiohttp does.
    """
    transport = response.connection.transport if response.connection else None
    if transport is None:  # all of it came with the headers
        step = 1
    gathering = _Gathering(transport)
    came = 0
    left = response.content_length or 0
    try:
        while chunk := await response.content.readany():
            came += len(chunk)
            gathering.want(min(step - came % step, left - came))
            yield chunk
    finally:
        # The connection may be another request's by now.
        gathering.want(1)


class _Gathering:
    """How many bytes have to come on a connection before its reader is woken up (SO_RCVLOWAT, socket(7))."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._socket = transport.get_extra_info("socket") if transport else None
        self._hidden = _TLS_RECORD if transport and transport.get_extra_info("sslcontext") else 0
        self._wanted = 1

    def want(self, count: int) -> None:
        """Let count bytes come, or as many as can be told."""
        count = max(count - self._hidden, 1)
        if count != self._wanted and self._socket is not None and self._socket.fileno() >= 0:
            self._wanted = count
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
