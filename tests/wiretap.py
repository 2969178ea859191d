"""Somebody on the network between two nodes, who reads along."""

import asyncio
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def wiretap(address, host="127.0.0.1", port=0):
    """Forward connections to address; yield where to connect instead, at host, and all bytes that come by."""
    seen = bytearray()
    tasks = set()

    async def forward(reader, writer):
        try:
            while data := await reader.read(65536):
                seen.extend(data)
                writer.write(data)
        finally:
            writer.close()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        onward = await asyncio.open_connection(*address)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(forward(reader, onward[1]), forward(onward[0], writer), return_exceptions=True)

    server = await asyncio.start_server(connected, host, port)
    try:
        yield server.sockets[0].getsockname(), seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
