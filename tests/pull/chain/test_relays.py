import pytest

from p2player.peer.segments import segment_bytes
from p2player.peer.shape import NO_SOURCE
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Front
from p2player.swarm.realm import Realm

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""


async def collect(relay, start=0):
    return b"".join([data async for _, data in relay.read(start)])


async def test_a_blob_of_the_store_can_be_followed_from_any_segment(cluster, make_blob):
    node = cluster.add()
    blob = make_blob()
    await node.add(blob.data)
    relay = node.relays.relay(blob.digest)
    assert (relay.size, relay.offset, relay.place.depth) == (len(blob.data), len(blob.data), 0)
    assert await collect(relay) == blob.data
    assert await collect(relay, 2 * SEGMENT) == blob.data[2 * SEGMENT :]


async def test_what_is_not_here_cannot(cluster, make_blob):
    assert cluster.add().relays.relay(make_blob().digest) is None


async def test_a_fetch_can_be_followed_while_it_lasts(cluster, make_blob, tmp_path):
    node = cluster.add()
    blob = make_blob()
    growing = Growing(tmp_path / "growing", len(blob.data), "sha256")
    incoming = node.relays.incoming(blob.digest, growing, Front(None))
    with growing.held(), node.relays.offering(blob.digest, incoming):
        assert node.relays.relay(blob.digest) is incoming
        assert (incoming.offset, incoming.place.depth) == (0, NO_SOURCE)
        await incoming.append(blob.data)
        incoming.release()
        assert incoming.offset == len(blob.data)
        segments = incoming.read(0)
        _, got = await anext(segments)
    assert node.relays.relay(blob.digest) is None
    assert got + b"".join([data async for _, data in segments]) == blob.data, "who follows already gets it all"


@pytest.mark.parametrize(("realm", "is_shared"), [(Realm(), False), (Realm(b"of a cluster with a secret"), True)])
async def test_what_is_private_is_passed_on_only_in_a_cluster_with_a_secret(cluster, make_blob, realm, is_shared):
    node = cluster.add()
    blob = make_blob(1000)
    node.store.put(blob.digest, blob.data)
    node.store.add_origin(blob.digest, "registry.test/team/app", private=True)
    cluster.realms = (realm,)
    assert (node.relays.relay(blob.digest) is not None) is is_shared
