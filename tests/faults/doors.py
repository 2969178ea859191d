"""Servers that behave as no honest node does, byte by byte: one that speaks BitTorrent, one that speaks HTTP."""

import asyncio
import struct
from contextlib import suppress

from p2player.store.merkle import piece_length

UPLINK = 8 << 20
"""Bytes a second that a node sends, honest or not, so that how long something takes does not depend on the machine."""
_HAVE_ALL, _UNCHOKE, _REQUEST, _PIECE, _HASH_REQUEST, _HASHES, _HASH_REJECT = 14, 1, 6, 7, 21, 22, 23
_FAST = bytes(7) + b"\x04"  # BEP 6, for have_all
_HASHES_ASKED = 32 + 3 * 4  # up to the number of hashes (BEP 52)


class Door:
    """A port at which `answer(reader, writer)` serves each connection until the door is closed; `told` counts its lies."""

    def __init__(self):
        self.told = 0
        self._server = None
        self._serving = set()

    async def open(self, host, port=0):
        """Return the port; 0 picks a free one."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return self._server.sockets[0].getsockname()[1]

    async def close(self):
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.answer(reader, writer)
        finally:
            self._serving.discard(asyncio.current_task())
            writer.transport.abort()


class SwarmDoor(Door):
    """A peer that says it has every piece of a content. What it does when asked for a block is told by `on_block`."""

    def __init__(self, content, on_block):
        super().__init__()
        self._content = content
        self._on_block = on_block

    async def answer(self, reader, writer):
        hello = await reader.readexactly(68)
        writer.write(hello[:20] + _FAST + hello[28:48] + b"-LI0000-" + bytes(12))
        _send(writer, _HAVE_ALL)
        _send(writer, _UNCHOKE)
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            message = await reader.readexactly(length)
            if message[:1] == bytes([_REQUEST]):
                index, begin, size = struct.unpack(">III", message[1:])
                start = index * piece_length(len(self._content.data)) + begin
                block = struct.pack(">II", index, begin) + self._content.data[start : start + size]
                self.told += self._on_block is not whole
                await self._on_block(writer, block)
            elif message[:1] == bytes([_HASH_REQUEST]):
                self.on_hashes(writer, message[1:])
            await writer.drain()

    def on_hashes(self, writer, asked):
        _send(writer, _HASH_REJECT, asked)


class FalseHashes(SwarmDoor):
    """A peer whose blocks are right, and whose hash trees do not fit."""

    def on_hashes(self, writer, asked):
        self.told += 1
        count, proofs = struct.unpack(">II", asked[_HASHES_ASKED - 4 :])
        _send(writer, _HASHES, asked + b"\x01" * 32 * (count + proofs))


def _send(writer, kind, body=b""):
    writer.write(struct.pack(">IB", 1 + len(body), kind) + body)


async def whole(writer, block):
    """Send what was asked for."""
    _send(writer, _PIECE, block)


async def half(writer, block):
    """Break off in the middle of a block."""
    writer.write(struct.pack(">IB", 1 + len(block), _PIECE) + block[: len(block) // 2])
    await writer.drain()
    raise ConnectionAbortedError


def endless():
    """Send blocks that nobody has asked for, for ever, as fast in all as an honest node in its place would send others."""
    uplink = asyncio.Lock()

    async def send(writer, block):
        while True:
            async with uplink:
                _send(writer, _PIECE, block)
                await writer.drain()
                await asyncio.sleep(len(block) / UPLINK)

    return send


async def drip(writer, block):
    """Send a few bytes at a time."""
    message = struct.pack(">IB", 1 + len(block), _PIECE) + block
    for at in range(0, len(message), 16):
        writer.write(message[at : at + 16])
        await asyncio.sleep(0.1)


async def nothing(writer, block):
    """Leave what was asked for unanswered."""


class HttpDoor(Door):
    """A peer interface that answers whatever is asked with the same body, in its own way."""

    def __init__(self, send):
        super().__init__()
        self._send = send

    async def answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.told += 1
        await self._send(writer)


def half_a_body(data):
    async def send(writer):
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
        await writer.drain()

    return send


def endless_body(data):
    async def send(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(len(data) / UPLINK)

    return send


def slow_body(data):
    async def send(writer):
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode())
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)

    return send
