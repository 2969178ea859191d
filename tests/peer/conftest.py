import pytest

from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.peer.address import Whereabouts
from p2player.peer.evidence import vouch
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.server import PeerServer
from p2player.peer.tls import ClusterTls

PATIENCE = 30
"""Seconds in which an answer comes from this machine, however busy it is."""


def tls_of(raw):
    """Return the certificates of a node that has this secret."""
    return ClusterTls(Keyring.of(ClusterSecret(raw)))


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


class Relays:
    """What can be followed, by digest."""

    def __init__(self):
        self.relays = {}

    def relay(self, digest):
        return self.relays.get(digest)


class Witness:
    """What is said for blobs, by digest, and their pieces, by digest and index."""

    def __init__(self):
        self.said = {}
        self.pieces = {}

    async def evidence(self, digest):
        return self.said.get(digest)

    async def piece(self, digest, index):
        return self.pieces.get((digest, index))

    def vouch(self, digest, data):
        return vouch(Identity.from_seed(bytes(32)), digest, data)


@pytest.fixture
def tls():
    return tls_of(b"a secret of the test")


@pytest.fixture
def held():
    return HeldBlobs()


@pytest.fixture
def relays():
    return Relays()


@pytest.fixture
def witness():
    return Witness()


@pytest.fixture
def whereabouts():
    return Whereabouts(Identity.from_seed(bytes(32)), lambda: ("127.0.0.1", 7401))


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
async def peer(tls, held, relays, witness, whereabouts, counters):
    """The address of a running peer server."""
    node_id = Identity.from_seed(bytes(32)).node_id
    server = PeerServer(tls, held, relays, witness, whereabouts, counters, node_id=node_id, version="1.2.3")
    yield await server.start("127.0.0.1", 0)
    await server.close()
