import pytest

from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.secret import ClusterSecret
from p2player.peer.server import PeerServer

NOW = 1_700_000_000.0


class HeldBlobs:
    """Small blobs by digest."""

    def __init__(self):
        self.held = {}

    def add(self, data):
        digest = Digest.of(data)
        self.held[digest] = data
        return digest

    def small(self, digest):
        return self.held.get(digest)


@pytest.fixture
def secret():
    return ClusterSecret(b"a secret of the test")


@pytest.fixture
def held():
    return HeldBlobs()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def clock():
    """A clock that stands still."""
    return lambda: NOW


@pytest.fixture
async def peer(secret, held, counters, clock):
    """The address of a running peer server."""
    node_id = Identity.from_seed(bytes(32)).node_id
    server = PeerServer(secret, held, counters, node_id=node_id, version="1.2.3", clock=clock)
    yield await server.start("127.0.0.1", 0)
    await server.close()
