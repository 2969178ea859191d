import asyncio
import ssl

import pytest

from p2player.peer.handshakes import Handshakes
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.tls import ClusterTls
from tests.peer.conftest import PATIENCE


class Echo(asyncio.Protocol):
    """Sends back what comes, until the other end has no more."""

    def connection_made(self, transport):
        self.transport = transport
        assert transport.get_extra_info("peercert")

    def data_received(self, data):
        self.transport.write(data)


@pytest.fixture
def tls():
    return ClusterTls(Keyring.of(ClusterSecret(b"of the cluster, and long")))


@pytest.fixture
def refused():
    return []


@pytest.fixture
async def listen(tls, refused):
    """Return a function that listens with some limits, and returns where."""
    running = []

    async def start(**limits):
        handshakes = Handshakes(Echo, tls.listening(), lambda: refused.append(1), **limits)
        server = await asyncio.get_running_loop().create_server(handshakes, "127.0.0.1", 0)
        running.append((server, handshakes))
        return server.sockets[0].getsockname()

    yield start
    for server, handshakes in running:
        server.close()
        await handshakes.close()


async def eventually(ready):
    async with asyncio.timeout(PATIENCE):
        while not ready():  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.01)


async def exchange(address, context, data=b"hello"):
    """Return what comes back for data that is sent at once, right behind the handshake."""
    reader, writer = await asyncio.open_connection(*address, ssl=context)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.readexactly(len(data)), PATIENCE)
    finally:
        writer.close()


async def test_a_member_is_served_from_its_first_byte(listen, tls, refused):
    address = await listen()
    for size in (1, 100_000):
        assert await exchange(address, tls.client, bytes(size)) == bytes(size)
    assert not refused


def without_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def of_another_cluster():
    context = ClusterTls(Keyring.of(ClusterSecret(b"of another cluster"))).client
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("outsider", [without_certificate, of_another_cluster])
async def test_an_outsider_is_refused_and_counted(listen, refused, outsider):
    address = await listen()
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await exchange(address, outsider())
    await eventually(lambda: refused == [1])


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""])
async def test_what_is_no_tls_is_refused_and_counted(listen, refused, junk):
    reader, writer = await asyncio.open_connection(*await listen())
    writer.write(junk)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    await eventually(lambda: refused == [1])


async def test_who_says_nothing_is_refused_after_a_while(listen, refused):
    reader, writer = await asyncio.open_connection(*await listen(seconds=0.1))
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
    await eventually(lambda: refused == [1])


@pytest.mark.parametrize("limits", [{"at_once": 3}, {"at_once_of_a_host": 3}])
async def test_who_begins_too_many_handshakes_loses_the_last_and_others_get_in_again(listen, tls, refused, limits):
    address = await listen(**limits)
    silent = [await asyncio.open_connection(*address) for _ in range(3)]
    reader, writer = await asyncio.open_connection(*address)
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
    assert refused == [1]
    for _, writer in silent:
        writer.close()
    await eventually(lambda: len(refused) == 4)
    assert await exchange(address, tls.client) == b"hello"


async def test_closing_ends_handshakes_under_way(tls, refused):
    handshakes = Handshakes(Echo, tls.listening(), lambda: refused.append(1))
    server = await asyncio.get_running_loop().create_server(handshakes, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await eventually(lambda: len(handshakes._tasks))
    server.close()
    await handshakes.close()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
    assert len(asyncio.all_tasks()) == 1
