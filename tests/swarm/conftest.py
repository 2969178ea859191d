import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.tls import ClusterTls
from p2player.store.merkle import MerkleHasher, MerkleTree
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import SwarmPeer
from p2player.swarm.realm import OPEN
from p2player.swarm.session import LibtorrentSwarms


def tls_of(raw):
    """Return the certificates of a node that has this secret."""
    return ClusterTls(Keyring.of(ClusterSecret(raw)))


NO_TLS = tls_of(b"")


@dataclass(frozen=True)
class Blob:
    """Some bytes in a file, and what names them in a swarm."""

    data: bytes
    path: Path
    metainfo: Metainfo
    tree: MerkleTree

    @property
    def pieces(self):
        length = self.metainfo.piece_length
        return [self.data[at : at + length] for at in range(0, len(self.data), length)]

    def seed(self, swarms):
        swarms.seed(self.metainfo, self.path, self.tree.piece_layer)


@pytest.fixture
def make_blob(tmp_path):
    """Return a blob of size random bytes; `named` gives it another's digest, `realm` another swarm."""

    def make(size=1_000_000, *, seed=0, named=None, realm=OPEN):
        data = random.Random(f"{size} {seed}").randbytes(size)
        hasher = MerkleHasher()
        hasher.update(data)
        tree = hasher.finish()
        digest = named or Digest.of(data)
        path = tmp_path / f"blob-{size}-{seed}"
        path.write_bytes(data)
        return Blob(data, path, Metainfo(digest, size, tree.root, realm), tree)

    return make


@pytest.fixture
def blob(make_blob):
    return make_blob()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
async def libtorrent_node(counters):
    """Return a function that starts a libtorrent session on loopback, of a cluster without a secret or (`tls`) another."""
    running = []

    async def start(tls=NO_TLS):
        node_id = bytes([len(running) + 1]) * 20
        swarms = await LibtorrentSwarms.start("127.0.0.1", 0, node_id, counters, tls)
        running.append(swarms)
        return swarms, SwarmPeer(("127.0.0.1", swarms.port))

    yield start
    for swarms in running:
        await swarms.close()
