import asyncio
import ssl

import aiohttp
import pytest

from p2player.oci.digest import Digest
from p2player.peer.address import new_nonce, open_address
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.protocol import NODE_PATH, address_path, blob_path
from p2player.peer.server import PeerServer
from p2player.peer.tls import ClusterTls
from tests.peer.conftest import PATIENCE, tls_of

ABSENT = Digest.of(b"absent")


@pytest.fixture
async def ask(peer, tls):
    """Send a request, with a certificate of the cluster or another context."""
    host, port = peer
    async with aiohttp.ClientSession(f"https://{host}:{port}") as session:

        async def ask(path, *, method="GET", context=tls.client):
            async with session.request(method, path, ssl=context) as response:
                return response.status, await response.read()

        yield ask


async def test_a_blob_that_is_held_is_sent(ask, held):
    assert await ask(blob_path(held.add(b"config"))) == (200, b"config")


async def test_a_blob_that_is_not_held_is_not_found(ask, held):
    digest = held.add(b"config")
    held.held.clear()
    assert (await ask(blob_path(digest)))[0] == 404


async def test_a_node_says_who_it_is(ask):
    status, body = await ask(NODE_PATH)
    assert status == 200
    node_id = Identity.from_seed(bytes(32)).node_id
    assert body == f'{{"node_id": "{node_id}", "version": "1.2.3"}}'.encode()


async def test_a_node_signs_where_its_swarm_is(ask):
    nonce = new_nonce()
    status, body = await ask(address_path(nonce))
    assert status == 200
    assert open_address(Identity.from_seed(bytes(32)).node_id, nonce, body) == ("127.0.0.1", 7401)


async def test_a_node_that_is_asked_at_another_host_than_it_announces_does_not_say_where_it_is(ask, whereabouts):
    whereabouts._announced = lambda: ("127.0.0.2", 7401)
    assert await ask(address_path(new_nonce())) == (404, b"")


def of_another_cluster():
    context = tls_of(b"another secret of some length").client
    context.verify_mode = ssl.CERT_NONE
    return context


def without_certificate():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("outsider", [of_another_cluster, without_certificate])
async def test_an_outsider_gets_nothing_and_is_counted(ask, held, counters, outsider):
    with pytest.raises(aiohttp.ClientError):
        await ask(blob_path(held.add(b"config")), context=outsider())
    async with asyncio.timeout(PATIENCE):
        while not counters.dropped.get("peer.unauthorized"):  # noqa: ASYNC110  (it may be told so before it is counted)
            await asyncio.sleep(0.01)


async def test_a_connection_kept_open_is_worth_no_more_than_the_certificate_it_began_with(
    held, relays, witness, whereabouts, counters, tmp_path
):
    file = tmp_path / "secret"
    file.write_bytes(b"one-secret-of-the-test\n")
    keyring = Keyring.open(file)
    node_id = Identity.from_seed(bytes(32)).node_id
    server = PeerServer(
        ClusterTls(keyring), held, relays, witness, whereabouts, counters, node_id=node_id, version="1.2.3"
    )
    host, port = await server.start("127.0.0.1", 0)
    url = f"https://{host}:{port}{NODE_PATH}"
    one, two = tls_of(b"one-secret-of-the-test").client, tls_of(b"two-secret-of-the-test").client

    async with aiohttp.ClientSession() as old, aiohttp.ClientSession() as member:

        async def status(session, context):
            async with session.get(url, ssl=context) as response:
                return response.status

        assert await status(old, one) == await status(old, one) == 200
        # with another secret beside it, the first is still good
        file.write_bytes(b"one-secret-of-the-test\ntwo-secret-of-the-test from 2100-01-01T00:00:00Z\n")
        await keyring.look()
        assert await status(old, one) == await status(member, one) == 200
        file.write_bytes(b"two-secret-of-the-test\n")
        await keyring.look()
        with pytest.raises(aiohttp.ClientError):
            await status(old, one)
        assert await status(member, two) == 200
    await server.close()


async def test_nothing_is_served_without_tls(peer, counters):
    host, port = peer
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{NODE_PATH}"):
            pass
    assert counters.dropped["peer.unauthorized"]


async def test_a_cluster_without_a_secret_serves_everybody(held, relays, witness, whereabouts, counters):
    node_id = Identity.from_seed(bytes(32)).node_id
    server = PeerServer(tls_of(b""), held, relays, witness, whereabouts, counters, node_id=node_id, version="1.2.3")
    host, port = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{NODE_PATH}") as response:
        assert response.status == 200
    await server.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/p2p/v1/blobs/sha256:x", 400),
        ("/p2p/v1/blobs/", 400),
        ("/p2p/v1/evidence/x", 400),
        ("/p2p/v1/pieces/x/0", 400),
        (f"/p2p/v1/pieces/{ABSENT}", 400),
        (f"/p2p/v1/pieces/{ABSENT}/-1", 400),
        (f"/p2p/v1/pieces/{ABSENT}/1000000", 400),
        (f"/p2p/v1/pieces/{ABSENT}/0", 404),
        (f"/p2p/v1/evidence/{ABSENT}", 404),
        ("/p2p/v1/address/", 400),
        (f"/p2p/v1/address/{'0' * 30}", 400),
        (f"/p2p/v1/address/{'F' * 32}", 400),
        (f"/p2p/v1/address/{'0' * 33}", 400),
        ("/p2p/v2/node", 404),
        ("/", 404),
    ],
)
async def test_what_is_not_offered_is_refused(ask, path, status):
    assert (await ask(path))[0] == status


async def test_nothing_can_be_written(ask):
    assert (await ask(NODE_PATH, method="PUT"))[0] == 405
