import asyncio

import pytest

from p2player.dht.memory import MemoryCodec, unpack_simulated
from p2player.dht.records import RecordError, unpack_record
from p2player.dht.wire import Codec, DatagramError, Message
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, SimulatedIdentity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from tests.dht.messages import BODIES

LAYER = Digest.of(b"layer")


@pytest.fixture(params=["sealed", "memory"])
def codec(request):
    return MemoryCodec() if request.param == "memory" else Codec(Keyring.of(ClusterSecret(b"of this cluster")))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_message_comes_out_as_it_went_in_and_its_seal_closes_the_reply(codec, body):
    message = Message(b"12345678", bytes(32), 1_800_000_000_000, body)
    came, seal = codec.decode(codec.encode(message))
    assert came == message
    assert codec.decode(codec.encode(message, seal))[0] == message


@pytest.mark.parametrize("raw", [b"", b"x", bytes(100)])
def test_what_is_no_datagram_is_refused(codec, raw):
    with pytest.raises(DatagramError):
        codec.decode(raw)


def test_nodes_do_exactly_the_same_over_both(in_cluster):
    async def scenario(cluster, **options):
        nodes = [await cluster.add(**options) for _ in range(25)]
        await nodes[3].announce(LAYER, 1, b"", complete=True)
        cluster.kill(nodes[7])
        found = [len(await node.find(LAYER)) for node in cluster.nodes]
        await asyncio.sleep(600)
        return found, cluster.network.sent, asyncio.get_running_loop().time()

    over_memory = in_cluster(lambda cluster: scenario(cluster, codec=MemoryCodec()))
    assert over_memory == in_cluster(scenario)


def test_simulated_nodes_announce_and_find(in_cluster):
    async def scenario(cluster):
        for number in range(12):
            identity = SimulatedIdentity(number.to_bytes(32, "big"))
            await cluster.add(identity=identity, codec=MemoryCodec(), unpack=unpack_simulated)
        await cluster.nodes[3].announce(LAYER, 1, b"", complete=True)
        (found,) = await cluster.nodes[9].find(LAYER)
        assert found.node_id == cluster.nodes[3]._identity.node_id
        assert not [name for node in cluster.nodes for name in node.counters if name.startswith("dropped")]

    in_cluster(scenario)


def test_records_of_simulated_signers_are_none_to_others_nor_theirs_to_them(named):
    simulated, real = SimulatedIdentity(bytes(32)), Identity.from_seed(bytes(32))
    record = named()
    false = record.dated(simulated, record.issued)
    with pytest.raises(RecordError, match="signature"):
        unpack_record(false.pack())
    with pytest.raises(RecordError, match="signature"):
        unpack_simulated(record.dated(real, record.issued).pack())
