import asyncio
import random
import ssl
import time
from types import SimpleNamespace

import pytest

from p2player.errors import DigestMismatch, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.address import MAX_SEALED_ADDRESS, new_nonce
from p2player.peer.client import PeerClient
from p2player.peer.evidence import MAX_SEALED_EVIDENCE, MAX_SEALED_PIECE
from p2player.peer.identity import Identity, NodeId
from p2player.peer.protocol import SMALL_BLOB
from tests.peer.conftest import PATIENCE, tls_of
from tests.wiretap import wiretap

ME = NodeId(bytes(20))


@pytest.fixture
async def client(tls):
    client = PeerClient(tls, ME, 7400)
    yield client
    await client.close()


@pytest.fixture
async def open_client():
    """A client of a cluster without a secret."""
    client = PeerClient(tls_of(b""), ME, 7400)
    yield client
    await client.close()


@pytest.fixture
async def answering():
    """Start something that answers each connection with fixed bytes; an empty answer is silence."""
    running = []

    async def start(answer, until=b"\r\n\r\n"):
        async def serve(reader, writer):
            if until:
                await reader.readuntil(until)
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
    assert await client.get_small(*peer, held.add(data), timeout=PATIENCE) == data


async def test_requests_to_one_node_share_a_connection(client, peer, held, monkeypatch):
    digest = held.add(b"config")
    await client.get_small(*peer, digest, timeout=PATIENCE)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", None)
    assert await client.get_small(*peer, digest, timeout=PATIENCE) == b"config"


async def test_a_blob_with_other_content_is_refused(client, peer, held):
    digest = Digest.of(b"wanted")
    held.held[digest] = b"another"
    with pytest.raises(DigestMismatch) as caught:
        await client.get_small(*peer, digest, timeout=PATIENCE)
    assert caught.value.signer == Identity.from_seed(bytes(32)).node_id


@pytest.mark.parametrize("seal", ["", "xyz", "00" * 96, "ff" * 200])
async def test_other_content_without_a_valid_signature_is_told_as_nobodys(client, peer, held, witness, seal):
    digest = Digest.of(b"wanted")
    held.held[digest] = b"another"
    witness.vouch = lambda *_: seal
    with pytest.raises(DigestMismatch) as caught:
        await client.get_small(*peer, digest, timeout=PATIENCE)
    assert caught.value.signer is None


async def test_a_body_that_is_too_long_is_not_read_to_its_end(client, peer, held):
    digest = held.add(bytes(SMALL_BLOB + 1))
    with pytest.raises(PeerUnreachable, match="more than"):
        await client.get_small(*peer, digest, timeout=PATIENCE)


async def test_evidence_and_pieces_come_as_they_were_sealed(client, peer, witness):
    digest = Digest.of(b"disputed")
    witness.said[digest], witness.pieces[digest, 7] = b"evidence", b"piece"
    assert await client.evidence(*peer, digest, timeout=PATIENCE) == b"evidence"
    assert await client.piece(*peer, digest, 7, timeout=PATIENCE) == b"piece"
    with pytest.raises(PeerUnreachable, match="404"):
        await client.piece(*peer, digest, 8, timeout=PATIENCE)
    with pytest.raises(PeerUnreachable, match="404"):
        await client.evidence(*peer, Digest.of(b"another"), timeout=PATIENCE)


async def test_where_a_swarm_is_comes_as_it_was_sealed(client, peer, whereabouts):
    nonce = new_nonce()
    whereabouts.sealed = lambda *asked: b"address" if asked == (nonce, "127.0.0.1") else None
    assert await client.address(*peer, nonce, timeout=PATIENCE) == b"address"
    with pytest.raises(PeerUnreachable, match="404"):
        await client.address(*peer, new_nonce(), timeout=PATIENCE)


async def test_a_longer_address_than_there_can_be_is_not_read_to_its_end(client, peer, whereabouts):
    whereabouts.sealed = lambda *_: bytes(MAX_SEALED_ADDRESS + 1)
    with pytest.raises(PeerUnreachable, match="more than"):
        await client.address(*peer, new_nonce(), timeout=PATIENCE)


async def test_more_evidence_than_there_can_be_is_not_read_to_its_end(client, peer, witness):
    digest = Digest.of(b"disputed")
    witness.said[digest] = bytes(MAX_SEALED_EVIDENCE + 1)
    witness.pieces[digest, 0] = bytes(MAX_SEALED_PIECE + 1)
    with pytest.raises(PeerUnreachable, match="more than"):
        await client.evidence(*peer, digest, timeout=PATIENCE)
    with pytest.raises(PeerUnreachable, match="more than"):
        await client.piece(*peer, digest, 0, timeout=PATIENCE)


async def test_a_node_without_the_blob_is_told_apart_by_its_status(client, peer):
    with pytest.raises(PeerUnreachable, match="404"):
        await client.get_small(*peer, Digest.of(b""), timeout=PATIENCE)


@pytest.mark.parametrize("believes_all", [False, True])
async def test_a_node_of_another_cluster_comes_with_a_hint(peer, held, believes_all):
    tls = tls_of(b"another secret of some length")
    if believes_all:
        tls.client.verify_mode = ssl.CERT_NONE
    stranger = PeerClient(tls, ME, 7400)
    try:
        with pytest.raises(PeerUnreachable) as caught:
            await stranger.get_small(*peer, held.add(b"config"), timeout=PATIENCE)
    finally:
        await stranger.close()
    assert "same secret" in caught.value.hint


async def test_a_node_that_speaks_no_tls_comes_with_a_hint(client, answering):
    with pytest.raises(PeerUnreachable) as caught:
        await client.get_small(
            *await answering(b"HTTP/1.1 200 OK\r\n\r\n", until=b""), Digest.of(b""), timeout=PATIENCE
        )
    assert "same secret" in caught.value.hint


async def test_who_listens_sees_neither_the_digest_nor_the_content(client, peer, held):
    data = random.Random(5).randbytes(SMALL_BLOB)
    digest = held.add(data)
    async with wiretap(peer) as (address, seen):
        assert await client.get_small(*address, digest, timeout=PATIENCE) == data
        await client.standing(*address, digest, timeout=PATIENCE)
    assert len(seen) > len(data)
    for told in (digest.hex.encode(), bytes.fromhex(digest.hex), b"p2p/v1", b"node_id", b"HTTP"):
        assert told not in seen
    assert not any(data[at : at + 16] in seen for at in range(0, len(data), 1024))


async def test_a_clock_is_compared(client, peer, monkeypatch):
    assert abs(await client.skew(*peer, timeout=PATIENCE)) < 60
    monkeypatch.setattr("p2player.peer.client.time", SimpleNamespace(time=lambda: time.time() + 3600))
    assert 3500 < await client.skew(*peer, timeout=PATIENCE) < 3700


async def test_a_node_that_does_not_say_its_time_is_unreachable(open_client, answering):
    address = await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(PeerUnreachable, match="time"):
        await open_client.skew(*address, timeout=PATIENCE)


async def test_new_certificates_are_used_at_once(tls, peer, held):
    client = PeerClient(tls, ME, 7400)
    digest = held.add(b"config")
    try:
        await client.get_small(*peer, digest, timeout=PATIENCE)
        tls._client = tls_of(b"another secret of some length").client
        with pytest.raises(PeerUnreachable):
            await client.get_small(*peer, digest, timeout=PATIENCE)
    finally:
        await client.close()


async def test_a_node_that_is_not_there_is_unreachable(client, unused_tcp_port):
    with pytest.raises(PeerUnreachable):
        await client.get_small("127.0.0.1", unused_tcp_port, Digest.of(b""), timeout=PATIENCE)


async def test_a_node_that_says_nothing_is_given_up(open_client, answering):
    with pytest.raises(PeerUnreachable, match="within"):
        await open_client.get_small(*await answering(b""), Digest.of(b""), timeout=0.05)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x16\x03\x01 not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut short",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_node_that_answers_wrongly_is_unreachable(open_client, answering, answer):
    with pytest.raises(PeerUnreachable):
        await open_client.get_small(*await answering(answer), Digest.of(b""), timeout=PATIENCE)


async def test_a_packed_body_is_not_unpacked(open_client, answering):
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\npacked"
    assert await open_client.get_small(*await answering(answer), Digest.of(b"packed"), timeout=PATIENCE) == b"packed"
