import asyncio
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from p2player.swarm.halfopen import HalfOpen
from p2player.swarm.realm import Realms
from tests.swarm.conftest import tls_of


@pytest.fixture
def port():
    """A port of this process at which connections are accepted and kept, by `connect`."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        class Port:
            number = listening.getsockname()[1]

            def connect(self):
                outside = stack.enter_context(socket.create_connection(("127.0.0.1", self.number)))
                stack.enter_context(listening.accept()[0])
                return outside

        yield Port()


def is_cut(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_who_takes_too_long_is_cut_off_and_who_was_let_in_is_not(port):
    half_open = HalfOpen(port.number, seconds=10)
    member, silent = port.connect(), port.connect()
    half_open.let_in(member.getsockname())
    assert half_open.look(100) == 0
    late = port.connect()
    assert half_open.look(109) == 0
    assert half_open.look(111) == 1
    assert [is_cut(connection) for connection in (member, silent, late)] == [False, True, False]


def test_the_oldest_of_too_many_are_cut_off_at_once(port):
    half_open = HalfOpen(port.number, at_once=2)
    connections = []
    for now in range(3):
        connections.append(port.connect())
        half_open.look(now)
    assert [is_cut(connection) for connection in connections] == [True, False, False]


def test_who_comes_back_begins_anew(port):
    half_open = HalfOpen(port.number, seconds=10)
    first = port.connect()
    half_open.look(0)
    first.shutdown(socket.SHUT_RDWR)
    again = port.connect()
    assert half_open.look(9) == 0
    half_open.look(12)
    assert not is_cut(again)


def test_other_connections_of_this_process_are_left_alone(port):
    half_open = HalfOpen(port.number, seconds=0)
    other = port.connect()
    inside, outside = socket.socketpair()
    with inside, outside:
        assert HalfOpen(1, seconds=0).look(0) == 0
        half_open.look(0)
        half_open.look(1)
        assert is_cut(other)
        assert not is_cut(outside)


def test_no_descriptor_is_left_open(port):
    half_open = HalfOpen(port.number)
    port.connect()
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for now in range(5):
        half_open.look(now)
    assert len(list(descriptors.iterdir())) == before


async def test_a_swarm_port_rids_itself_of_silent_strangers_and_keeps_its_members(
    libtorrent_node, make_blob, tmp_path, counters
):
    tls = tls_of(b"the secret of the cluster")
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls)
    blob = make_blob(realm=Realms(tls)()[0])
    blob.seed(seed)
    silent = [await asyncio.open_connection(*peer.address) for _ in range(5)]
    half_way = [await asyncio.open_connection(*peer.address) for _ in range(5)]
    hello = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname=blob.metainfo.infohash[:20].hex()).do_handshake()
    begun = hello.read()
    for _, writer in half_way:
        writer.write(begun[:-1])
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    await transfer.complete()
    now = time.monotonic()
    assert await asyncio.to_thread(seed._half_open.look, now) == 0
    assert await asyncio.to_thread(seed._half_open.look, now + 11) == 10
    for reader, writer in (*silent, *half_way):
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
