"""Puts a blob's bytes on a connection: a file by sendfile, anything else chunk by chunk."""

import asyncio
import os
from contextlib import aclosing
from io import FileIO
from pathlib import Path

from aiohttp import web

from p2player.pull.port import OpenBlob
from p2player.registry.ranges import Span
from p2player.store.durable import disk_errors

_FIRST_SEND = 1024 * 1024


class BodyCutShort(Exception):
    """A source that ended before all its bytes were sent."""


async def send_stream(response: web.StreamResponse, blob: OpenBlob, span: Span) -> None:
    """Write the span of a blob to a prepared response as its bytes arrive. Raises what the blob raises."""
    left = len(span)
    async with aclosing(blob.read(span.start, span.stop)) as chunks:
        async for chunk in chunks:
            left -= len(chunk)
            await response.write(chunk)
    if left:
        raise BodyCutShort(f"{blob.digest} ended {left} bytes early")


async def send_file(request: web.BaseRequest, file: FileIO, span: Span) -> None:
    """Send the span of a file behind the headers of a prepared response. Raises BodyCutShort, ConnectionError, StorageError."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client left")
    with disk_errors(Path(f"{file.name}")):
        start = span.start + _send_at_once(transport, file, span)
        sent = 0
        if start < span.stop:
            sent = await asyncio.get_running_loop().sendfile(transport, file, start, span.stop - start)
    if start + sent < span.stop:
        raise BodyCutShort(f"the file ended {span.stop - start - sent} bytes early")


def _send_at_once(transport: asyncio.Transport, file: FileIO, span: Span) -> int:
    """Return how many bytes the socket took without waiting.

    A small layer goes out whole this way. With loop.sendfile alone each goes around the event loop once more, and 32
    clients get a fifth fewer layers of 256 KiB a second.
    """
    if transport.get_write_buffer_size():
        return 0  # what waits there has to go first
    socket = transport.get_extra_info("socket")
    try:
        return os.sendfile(socket.fileno(), file.fileno(), span.start, min(len(span), _FIRST_SEND))
    except BlockingIOError:
        return 0
