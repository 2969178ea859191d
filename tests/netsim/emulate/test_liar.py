import random

import pytest

from netsim.emulate.liar import lie
from p2player.config import Config, HostPort
from p2player.dht.node import DhtNode
from p2player.node import Node
from p2player.oci.digest import Digest
from p2player.peer.evidence import open_piece
from p2player.pull.integrity.witness import Witness
from p2player.store.hashing import hash_file
from p2player.store.merkle import piece_length
from p2player.swarm.session import LibtorrentSwarms

SIZE = 1_000_000
DATA = random.Random(1).randbytes(SIZE)
DIGEST = Digest.of(DATA)
LENGTH = piece_length(SIZE)


@pytest.fixture
async def holder(tmp_path, monkeypatch):
    """Return a function that starts a node which tells a lie, or none, about a blob that it holds, and the root it announces."""
    announced = {}

    async def announce(self, digest, size, root, **_):
        announced[digest] = root

    monkeypatch.setattr(DhtNode, "announce", announce)
    for owner, name in ((LibtorrentSwarms, "seed"), (Witness, "piece"), (Witness, "evidence")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # to be undone
    running = []

    async def start(which):
        if which:
            lie(which)
        loopback = HostPort("127.0.0.1", 0)
        node = await Node.start(Config(tmp_path / "node", loopback, loopback, (), configured_only=True))
        running.append(node)
        stored = node.store.put(DIGEST, DATA)
        await node.holdings.add([stored])
        return node, announced[DIGEST]

    yield start
    for node in running:
        await node.close()


async def shown(node, index):
    return open_piece(node.identity.node_id, DIGEST, index, await node.witness.piece(DIGEST, index))


async def test_a_node_that_tells_no_lie_shows_what_it_has(holder):
    node, root = await holder(None)
    assert await shown(node, 1) == DATA[LENGTH : 2 * LENGTH]
    assert root == node.store.get(DIGEST).root
    assert await node.witness.evidence(DIGEST)


async def test_wrong_pieces_are_given_and_signed_under_the_right_root(holder):
    node, root = await holder("corrupt pieces")
    assert root == node.store.get(DIGEST).root
    given = (node.config.data_dir / f"lie-{DIGEST.hex}").read_bytes()
    assert [at for at in range(SIZE) if given[at] != DATA[at]] == list(range(0, SIZE, LENGTH))
    assert await shown(node, 1) == given[LENGTH : 2 * LENGTH]
    assert node.store.path(DIGEST).read_bytes() == DATA


async def test_the_tree_of_other_bytes_is_announced_and_nothing_is_there_to_prove_it(holder):
    node, root = await holder("wrong tree")
    digest, tree = hash_file(node.config.data_dir / f"lie-{DIGEST.hex}", "sha256")
    assert root == tree.root != node.store.get(DIGEST).root
    assert digest != DIGEST
    assert await node.witness.evidence(DIGEST) is None


def test_what_is_no_lie_is_refused():
    with pytest.raises(ValueError, match="corrupt pieces, wrong tree"):
        lie("honest")
