import asyncio
import socket

import pytest

from p2player.oci.digest import Digest
from p2player.pull.memory import MemoryBlob
from p2player.registry.bodies import BodyCutShort, send_file, send_stream
from p2player.registry.ranges import Span


class Response:
    def __init__(self):
        self.sent = bytearray()

    async def write(self, data):
        self.sent += data


class Request:
    def __init__(self, transport):
        self.transport = transport


@pytest.fixture
async def connection():
    """A connected pair: what stands for a request on our end, and the client's stream reader."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs, limit=2**22)
    yield Request(transport), reader
    transport.abort()
    writer.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(bytes(range(256)) * 8192)  # 2 MiB: more than the socket takes at once
    with path.open("rb", buffering=0) as file:
        yield file


@pytest.mark.parametrize(("start", "stop"), [(0, 2**21), (1, 2), (12_345, 1_234_567), (2**21 - 1, 2**21)])
async def test_a_span_of_a_file_arrives_as_it_is(connection, file, start, stop):
    request, reader = connection
    _, data = await asyncio.gather(send_file(request, file, Span(start, stop)), reader.readexactly(stop - start))
    assert data == (bytes(range(256)) * 8192)[start:stop]


async def test_bytes_wait_behind_what_was_written_before(connection, file):
    request, reader = connection
    request.transport.write(b"h" * 500_000)
    assert request.transport.get_write_buffer_size()
    _, data = await asyncio.gather(send_file(request, file, Span(0, 256)), reader.readexactly(500_256))
    assert data == b"h" * 500_000 + bytes(range(256))


async def test_a_file_that_is_too_short_is_noticed(connection, file):
    request, reader = connection
    with pytest.raises(BodyCutShort):
        await asyncio.gather(send_file(request, file, Span(0, 2**21 + 1)), reader.readexactly(2**21))


async def test_a_client_that_left_is_a_connection_error(connection, file):
    request, _ = connection
    request.transport.abort()
    with pytest.raises(ConnectionError):
        await send_file(request, file, Span(0, 10))


async def test_a_span_of_a_stream_is_written():
    blob, response = MemoryBlob(Digest.of(b"0123456789"), b"0123456789"), Response()
    await send_stream(response, blob, Span(2, 7))
    assert response.sent == b"23456"


async def test_a_stream_that_is_too_short_is_noticed():
    blob = MemoryBlob(Digest.of(b"0123456789"), b"0123456789")
    with pytest.raises(BodyCutShort):
        await send_stream(Response(), blob, Span(0, 11))


async def test_a_stream_is_closed_when_its_reader_fails():
    closed = asyncio.Event()

    class Endless:
        digest, size, path = Digest.of(b""), 10, None

        async def read(self, *_):
            try:
                while True:
                    yield b"x"
            finally:
                closed.set()

    class Left:
        async def write(self, _):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await send_stream(Left(), Endless(), Span(0, 10))
    assert closed.is_set()
