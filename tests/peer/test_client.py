import asyncio

import pytest

from p2player.errors import DigestMismatch, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.client import PeerClient
from p2player.peer.protocol import SMALL_BLOB
from p2player.peer.secret import ClusterSecret


@pytest.fixture
async def client(secret, clock):
    client = PeerClient(secret, clock=clock)
    yield client
    await client.close()


@pytest.fixture
async def answering():
    """Start something that answers each connection with fixed bytes; an empty answer is silence."""
    running = []

    async def start(answer):
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if answer:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        running.append(server)
        return server.sockets[0].getsockname()

    yield start
    for server in running:
        server.close()


@pytest.mark.parametrize("size", [0, 1, SMALL_BLOB])
async def test_a_blob_comes_as_it_is(client, peer, held, size):
    data = bytes(size)
    assert await client.get_small(*peer, held.add(data), timeout=5) == data


async def test_requests_to_one_node_share_a_connection(client, peer, held, monkeypatch):
    digest = held.add(b"config")
    await client.get_small(*peer, digest, timeout=5)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", None)
    assert await client.get_small(*peer, digest, timeout=5) == b"config"


async def test_a_blob_with_other_content_is_refused(client, peer, held):
    digest = Digest.of(b"wanted")
    held.held[digest] = b"another"
    with pytest.raises(DigestMismatch):
        await client.get_small(*peer, digest, timeout=5)


async def test_a_body_that_is_too_long_is_not_read_to_its_end(client, peer, held):
    digest = held.add(bytes(SMALL_BLOB + 1))
    with pytest.raises(PeerUnreachable, match="more than"):
        await client.get_small(*peer, digest, timeout=5)


async def test_a_node_without_the_blob_is_told_apart_by_its_status(client, peer):
    with pytest.raises(PeerUnreachable, match="404"):
        await client.get_small(*peer, Digest.of(b""), timeout=5)


async def test_a_node_of_another_cluster_comes_with_a_hint(peer, clock):
    stranger = PeerClient(ClusterSecret(b"another secret"), clock=clock)
    try:
        with pytest.raises(PeerUnreachable) as caught:
            await stranger.get_small(*peer, Digest.of(b""), timeout=5)
    finally:
        await stranger.close()
    assert "secret" in caught.value.hint


async def test_a_node_that_is_not_there_is_unreachable(client, unused_tcp_port):
    with pytest.raises(PeerUnreachable):
        await client.get_small("127.0.0.1", unused_tcp_port, Digest.of(b""), timeout=5)


async def test_a_node_that_says_nothing_is_given_up(client, answering):
    with pytest.raises(PeerUnreachable, match="within"):
        await client.get_small(*await answering(b""), Digest.of(b""), timeout=0.05)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x16\x03\x01 not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut short",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_node_that_answers_wrongly_is_unreachable(client, answering, answer):
    with pytest.raises(PeerUnreachable):
        await client.get_small(*await answering(answer), Digest.of(b""), timeout=5)


async def test_a_packed_body_is_not_unpacked(client, answering):
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\npacked"
    assert await client.get_small(*await answering(answer), Digest.of(b"packed"), timeout=5) == b"packed"
