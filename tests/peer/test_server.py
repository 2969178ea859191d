import aiohttp
import pytest

from p2player.peer.auth import RequestAuth
from p2player.peer.identity import Identity
from p2player.peer.protocol import NODE_PATH, blob_path
from p2player.peer.secret import ClusterSecret


@pytest.fixture
async def ask(peer, secret, clock):
    """Send a request, signed with the cluster's secret or another, of some age in seconds."""
    host, port = peer
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:

        async def ask(path, *, method="GET", with_secret=secret, age=0):
            header = RequestAuth(with_secret).sign(method, path, clock() - age)
            async with session.request(method, path, headers={"Authorization": header}) as response:
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


async def test_another_cluster_gets_nothing_and_is_counted(ask, held, counters):
    path = blob_path(held.add(b"config"))
    assert await ask(path, with_secret=ClusterSecret(b"another secret")) == (401, b"")
    assert await ask(path, with_secret=ClusterSecret()) == (401, b"")
    assert counters.dropped == {"peer.unauthorized": 2}


async def test_a_request_of_another_time_gets_nothing(ask, held):
    assert (await ask(blob_path(held.add(b"config")), age=100))[0] == 401


async def test_an_unsigned_request_gets_nothing(peer, held):
    host, port = peer
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{NODE_PATH}") as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("path", "status"), [("/p2p/v1/blobs/sha256:x", 400), ("/p2p/v1/blobs/", 400), ("/p2p/v2/node", 404), ("/", 404)]
)
async def test_what_is_not_offered_is_refused(ask, path, status):
    assert (await ask(path))[0] == status


async def test_nothing_can_be_written(ask):
    assert (await ask(NODE_PATH, method="PUT"))[0] == 405
