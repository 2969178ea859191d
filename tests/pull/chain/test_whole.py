import pytest

from p2player.errors import BlobNotFound, StoreDamaged
from p2player.peer.segments import segment_bytes, start_of


async def collect(relay, start=0):
    return [each async for each in relay.read(start)]


@pytest.fixture
def node(cluster):
    return cluster.add()


@pytest.fixture
def hold(node, make_blob):
    """Return a blob of the store, and how it can be followed."""

    async def bring_in(size):
        blob = make_blob(size)
        await node.add(blob.data)
        return blob, node.relays.relay(blob.digest)

    return bring_in


# Blobs of one piece, of pieces smaller than a segment, as large as one, and larger.
@pytest.mark.parametrize("size", [1, 60_000, 70_000, 1_000_000, 60 << 20, (100 << 20) + 1])
async def test_a_held_blob_is_passed_on_in_segments_that_its_node_signs(node, hold, size):
    blob, relay = await hold(size)
    for start in range(0, size, segment_bytes(size) * 97):
        segments = await collect(relay, start)
        assert b"".join(data for _, data in segments) == blob.data[start:]
    assert {segment.node for segment, _ in segments} == {node.identity.node_id}
    assert all(segment.is_signed(blob.digest, size) and segment.is_of(data) for segment, data in segments)


@pytest.mark.parametrize("size", [60_000, 1_000_000, 100 << 20])
async def test_a_blob_that_was_spoiled_on_the_disk_is_not_signed(node, hold, size):
    blob, relay = await hold(size)
    path = node.store.path(blob.digest)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(size - 5)
        file.write(b"x")
    with pytest.raises(StoreDamaged):
        await collect(relay, start_of(size - 1, size))


async def test_a_blob_that_has_just_been_removed_is_not_passed_on(node, hold):
    blob, relay = await hold(1_000_000)
    node.store.path(blob.digest).unlink()
    with pytest.raises(BlobNotFound):
        await collect(relay)
