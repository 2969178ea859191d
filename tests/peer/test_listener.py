import asyncio
import logging
import tempfile

import pytest
from aiohttp import web

from p2player.errors import AddressUnusable
from p2player.peer.listener import Listener
from tests.peer.conftest import PATIENCE, tls_of


@pytest.fixture
async def address(counters):
    async def hello(request):
        return web.Response(text="hello")

    listener = Listener(hello, counters, "test.malformed")
    yield await listener.start("127.0.0.1", 0)
    await listener.close()


async def exchange(address, data):
    """Send data, and return what comes back until the other end closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\r\n" + b"x" * 9000,
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_counted_and_its_connection_closed(address, counters, garbage, caplog):
    with caplog.at_level(logging.INFO):
        answer = await exchange(address, garbage)
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert counters.dropped == {"test.malformed": 1}
    assert not caplog.records


@pytest.mark.parametrize("end", [b"\x00", b"x" * 9000])
async def test_credentials_in_garbage_are_not_logged(address, caplog, end):
    with caplog.at_level(logging.DEBUG):
        await exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0" + end + b"\r\n\r\n")
    assert "Error handling request" in caplog.text
    assert "c2VjcmV0" not in caplog.text


async def test_a_good_request_after_garbage_is_answered(address, counters):
    await exchange(address, b"garbage\r\n\r\n")
    answer = await exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"hello")
    assert counters.dropped == {"test.malformed": 1}


async def test_closing_ends_idle_connections_and_frees_the_port(counters):
    async def hello(request):
        return web.Response(text="hello")

    listener = Listener(hello, counters, "test.malformed")
    address = await listener.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    await listener.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_closing_ends_tls_connections_and_handshakes_too(counters):
    async def hello(request):
        return web.Response(text="hello")

    tls = tls_of(b"a secret of the test")
    listener = Listener(hello, counters, "test.malformed")
    address = await listener.start("127.0.0.1", 0, tls=tls.listening())
    reader, writer = await asyncio.open_connection(*address, ssl=tls.client)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    silent, silent_writer = await asyncio.open_connection(*address)
    await listener.close()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    assert await asyncio.wait_for(silent.read(), PATIENCE) == b""
    for one in (writer, silent_writer):
        one.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_who_does_not_get_through_a_handshake_is_counted_apart(counters):
    listener = Listener(None, counters, "test.malformed", refused="test.refused")
    address = await listener.start("127.0.0.1", 0, tls=tls_of(b"a secret of the test").listening())
    assert await exchange(address, b"GET / HTTP/1.1\r\n\r\n") == b""
    assert counters.dropped == {"test.refused": 1}
    await listener.close()


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def sendfile(request):
    response = web.StreamResponse(headers={"Content-Length": str(2**30)})
    await response.prepare(request)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.truncate(2**30)
        await asyncio.get_running_loop().sendfile(request.transport, file, 0, 2**30)
    return response


@pytest.mark.parametrize("handler", [endless, sendfile])
async def test_a_client_that_takes_nothing_is_cut_off(counters, handler):
    ended = asyncio.Event()

    async def watched(request):
        try:
            return await handler(request)
        finally:
            ended.set()

    listener = Listener(watched, counters, "test.malformed", stalled=0.2)
    reader, writer = await asyncio.open_connection(*await listener.start("127.0.0.1", 0), limit=2**16)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.wait_for(ended.wait(), PATIENCE)
    writer.close()
    await listener.close()


async def test_closing_what_was_never_started_does_nothing(counters):
    await Listener(None, counters, "test.malformed").close()


async def test_an_address_that_is_not_ours_is_said_so(counters):
    listener = Listener(None, counters, "test.malformed")
    with pytest.raises(AddressUnusable, match=r"192\.0\.2\.1"):
        await listener.start("192.0.2.1", 0)
