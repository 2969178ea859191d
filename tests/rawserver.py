"""A server that gives one answer to whoever asks, as raw as it is told, right or wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager


def answer(body: Sequence[bytes], length: int, status: str = "200 OK") -> list[bytes]:
    """Return an answer in parts, whose header announces that many bytes of body."""
    return [f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode(), *body]


@asynccontextmanager
async def serving(
    parts: Sequence[bytes], pause: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[tuple[str, list[str]]]:
    """Give the parts to each who asks, with a pause after each, and then hang up. Yields HOST:PORT and what was asked."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause:
                await pause()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
