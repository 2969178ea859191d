import asyncio
import socket
from contextlib import aclosing

import pytest

from p2player.config import HostPort
from p2player.control.messages import Naming
from p2player.errors import AddressUnusable, BadInput, BlobNotFound, InvalidMetainfo, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference
from p2player.pull.events import PullResult
from p2player.swarm.metainfo import Metainfo

NAME = "docker.io/library/app:1"


async def collect(events):
    return [event async for event in events]


async def test_status_counts_what_the_daemon_has_counted(daemon, client):
    daemon.store.put(Digest.of(b"one"), b"one")
    daemon.counters.add_bytes("peer", 7)
    daemon.counters.drop("peer.malformed", 2)
    daemon.counters.count("tags.stale")
    daemon.dht.counters = {"datagrams_in": 9, "dropped_unsealed": 4}
    status = await client.status()
    assert (status.blobs, status.peers, status.secret) == (1, 1, False)
    assert status.tasks > 0
    assert status.bytes == {"local": 0, "peer": 7, "upstream": 0, "redundant": 0}
    assert status.dropped == {"peer.malformed": 2, "dht.unsealed": 4}
    assert status.events == {"tags.stale": 1}


async def test_peers_have_an_id_and_an_address(client):
    (peer,) = await client.peers()
    assert (str(peer.node_id), peer.address) == ("00" * 20, "192.0.2.1:7400")


async def test_a_pull_tells_how_each_blob_proceeds_and_then_the_result(daemon, client):
    root = daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    *progress, pulled = await collect(client.pull("app:1", None))
    assert pulled == PullResult(root.digest, NAME, (root.digest,), tuple(child.digest for child in root.children))
    assert [event.state for event in progress] == ["fetching", "done"] * 3
    assert progress[-1].by_peer == (("neighbour", progress[-1].size),)
    assert daemon.store.get(root.digest)


async def test_a_pull_of_what_nobody_has_raises_what_the_daemon_found(client):
    with pytest.raises(ReferenceNotFound, match="no node publishes"):
        await collect(client.pull("nothing", None))
    with pytest.raises(BlobNotFound):
        await collect(client.pull(str(Digest.of(b"x")), None))


async def test_a_client_that_leaves_ends_its_pull(daemon, client, eventually):
    daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    daemon.images.gate.clear()
    async with aclosing(client.pull("app:1", None)) as pull:
        await anext(pull)
        assert daemon.images.under_way == 1
    await eventually(lambda: daemon.images.under_way == 0)


async def test_a_closing_daemon_ends_the_pulls_of_its_clients(daemon, client):
    daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    daemon.images.gate.clear()
    pull = client.pull("app:1", None)
    await anext(pull)
    await asyncio.wait_for(daemon.server.close(), 30)
    assert daemon.images.under_way == 0
    await pull.aclose()


async def test_the_content_of_a_blob_is_read_back(daemon, client):
    data = bytes(range(256)) * 10_000
    daemon.store.put(Digest.of(data), data)
    assert b"".join(await collect(client.read(Digest.of(data)))) == data


async def test_a_blob_that_is_not_here_is_not_found(client):
    with pytest.raises(BlobNotFound) as error:
        await collect(client.read(Digest.of(b"x")))
    assert "p2player fetch" in error.value.hint


async def test_a_torrent_is_that_of_the_blob(daemon, client):
    blob = daemon.store.put(Digest.of(b"x" * 100_000), b"x" * 100_000)
    torrent = await client.torrent(blob.digest)
    assert Metainfo.from_torrent(torrent) == Metainfo(blob.digest, blob.size, blob.root)


async def test_an_empty_blob_has_no_torrent(daemon, client):
    daemon.store.put(Digest.of(b""), b"")
    with pytest.raises(BadInput, match="empty"):
        await client.torrent(Digest.of(b""))


async def test_a_blob_is_fetched_by_its_torrent_from_named_peers(daemon, client):
    blob = daemon.store.put(Digest.of(b"x"), b"x")
    torrent = await client.torrent(blob.digest)
    daemon.store.remove([blob.digest])
    daemon.images.elsewhere[blob.digest] = b"x"
    *_, pulled = await collect(client.fetch(torrent, [HostPort("127.0.0.1", 7401), HostPort("::1", 7402)]))
    assert pulled == PullResult(blob.digest, None, (), (blob.digest,))
    assert daemon.store.get(blob.digest)
    assert daemon.images.named_peers == (("127.0.0.1", 7401), ("::1", 7402))


async def test_a_peer_whose_name_means_nothing_is_unusable(daemon, client, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    blob = daemon.store.put(Digest.of(b"x"), b"x")
    torrent = await client.torrent(blob.digest)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(AddressUnusable, match="nobody:1: Name or service not known"):
        await collect(client.fetch(torrent, [HostPort("nobody", 1)]))


async def test_what_is_no_torrent_is_refused(client):
    with pytest.raises(InvalidMetainfo):
        await collect(client.fetch(b"junk", [HostPort("127.0.0.1", 1)]))


async def test_removing_an_image_withdraws_it_and_its_blobs(daemon, client):
    root = daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    await seed_into(client, daemon, root)
    assert daemon.holdings.published
    removed = await client.remove("app:1")
    assert set(removed.blobs) == {root.digest, *(child.digest for child in root.children)}
    assert (daemon.holdings.offered, daemon.holdings.published, daemon.store.blobs()) == (set(), {}, [])


async def test_a_blob_of_an_image_is_not_removed_alone(daemon, client):
    root = daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    await seed_into(client, daemon, root)
    with pytest.raises(BadInput, match=f"belongs to {NAME}"):
        await client.remove(str(root.digest))
    assert root.digest in daemon.holdings.offered


async def test_removing_what_is_not_here_is_not_found(client):
    with pytest.raises(ReferenceNotFound):
        await client.remove("app:1")
    with pytest.raises(BlobNotFound):
        await client.remove(f"app@{Digest.of(b'')}")


async def test_why_says_what_the_node_knows(client):
    explanation = await client.why("app:1")
    assert explanation.target == NAME
    assert explanation.history[0].what == "something happened"


async def seed_into(client, daemon, root):
    async def once(data):
        yield data

    async with client.begin_import() as importing:
        for digest in (root.digest, *(child.digest for child in root.children)):
            await importing.add(digest, None, once(daemon.images.elsewhere[digest]))
        await importing.commit([Naming(Reference.parse(NAME), root.descriptor)])
