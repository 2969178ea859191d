"""Several whole nodes in one process, on loopback."""

import asyncio
import gc
import os
import random
import socket
import time
from contextlib import suppress

import pytest
from aiohttp import ClientPayloadError, ClientSession

from netsim.image import ImageWriter, add_file
from p2player.config import Config, HostPort
from p2player.errors import AddressUnusable, BlobNotFound, ReferenceNotFound, StoreLocked
from p2player.node import Node
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document
from p2player.oci.reference import Reference
from p2player.peer import rotation
from p2player.pull.events import PullResult
from p2player.pull.naming.publishers import Pattern, Rule
from tests.wrongbytes import require_same

APP = Reference.parse("app:1")
ANY = HostPort("127.0.0.1", 0)
PATIENCE = 30  # seconds until something that has to come is given up


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a node called name, to join others, and again after a close."""
    running = []

    async def run(name, *others, secret=None, clock=time.time, publishers=()):
        secret_file = None
        if secret:
            secret_file = tmp_path / f"{name}.secret"
            secret_file.write_text(secret)
            secret_file.chmod(0o600)
        join = tuple(HostPort.parse(other.cluster_address) for other in others)
        config = Config(tmp_path / name, ANY, ANY, join, secret_file, configured_only=True, publishers=publishers)
        node = await Node.start(config, clock=clock)
        running.append(node)
        return node

    yield run
    for node in running:
        await node.close()


@pytest.fixture
def image(tmp_path):
    """An image with one layer that comes through a swarm."""
    writer = ImageWriter(tmp_path / "image")
    with writer.layer() as archive:
        add_file(archive, "big", random.Random(1).randbytes(5_000_000))
    return writer.finish("1", ["/bin/true"])


async def seed(node, image):
    """Bring an image into node, and the cluster, as app:1. Returns its digest."""
    with node.store.begin_import() as importing:
        stored = []
        for digest in image.sizes:
            data = image.path(digest).read_bytes()
            writer = importing.add(Digest.parse(digest), len(data))
            writer.write(data)
            stored.append(writer.finish())
        root = Document.parse(image.path(image.digest).read_bytes())
        row = node.holdings.name_row(APP, root.descriptor)
        importing.commit([row])
    await node.holdings.add(stored)
    await node.holdings.publish(row)
    return root.digest


async def pull(node, target):
    """Pull target, and return how many bytes each peer gave."""
    given = {}
    async for event in node.images.pull(target, None):
        if not isinstance(event, PullResult):
            given[event.digest] = dict(event.by_peer)
    return given


async def eventually(ready):
    """Return the first answer of ready that is true."""
    async with asyncio.timeout(PATIENCE):
        while not (answer := await ready()):  # noqa: ASYNC110  (what is waited for is another node's doing)
            await asyncio.sleep(0.05)
        return answer


def knows(node, other):
    async def ready():
        return any(node_id == other.identity.node_id for node_id, _, _ in node.dht.contacts())

    return ready


async def test_an_image_goes_from_node_to_node_by_tag_and_by_digest(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    await pull(second, APP)
    assert {str(blob.digest): blob.size for blob in second.store.blobs()} == image.sizes
    for digest in image.sizes:
        require_same(second.store.path(Digest.parse(digest)).read_bytes(), image.path(digest).read_bytes())
    assert second.counters.bytes["peer"] >= image.total  # a block may come twice

    third = await start("third", second)
    await eventually(knows(third, first))
    await pull(third, Digest.parse(image.digest))
    assert {str(blob.digest): blob.size for blob in third.store.blobs()} == image.sizes


async def test_who_is_banned_is_not_asked_after_a_restart_either_until_it_is_forgiven(start, image):
    liar = await start("liar")
    await seed(liar, image)
    node = await start("node", liar)
    node.store.ban(liar.identity.node_id.raw, "lied")
    await node.close()
    node = await start("node", liar)
    await eventually(knows(node, liar))
    small, large = sorted(map(Digest.parse, image.sizes), key=lambda digest: image.sizes[str(digest)])[
        :: len(image.sizes) - 1
    ]
    with pytest.raises(ReferenceNotFound, match="banned"):
        await pull(node, APP)
    for digest in (small, large):
        with pytest.raises(BlobNotFound):
            await pull(node, digest)
    assert node.counters.bytes["peer"] == 0
    node.store.unban(liar.identity.node_id.raw)
    await pull(node, APP)
    assert node.counters.bytes["peer"] >= image.total


async def test_the_endpoint_of_one_node_serves_what_another_holds(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    async with ClientSession(f"http://{second.registry_address}") as session:
        async with session.get("/v2/library/app/manifests/1") as response:
            assert (response.status, response.headers["Docker-Content-Digest"]) == (200, image.digest)
            manifest = await response.json()
        (layer,) = manifest["layers"]
        async with session.get(f"/v2/library/app/blobs/{layer['digest']}") as response:
            assert await response.read() == image.path(layer["digest"]).read_bytes()
        async with session.get(f"/v2/library/app/blobs/{Digest.of(b'nobody has it')}") as response:
            assert response.status == 404


async def test_a_blob_that_is_seeded_here_between_its_opening_and_its_reading_is_not_fetched(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    layer = max(image.sizes, key=image.sizes.get)
    opened = await second.images.blob(Digest.parse(layer))
    await seed(second, image)
    got = b"".join([chunk async for chunk in opened.read(0, opened.size)])
    assert got == image.path(layer).read_bytes()
    assert second.counters.bytes["peer"] == 0


async def test_a_third_node_fetches_from_both_that_have_it(start, image, tmp_path):
    writer = ImageWriter(tmp_path / "large")
    with writer.layer() as archive:
        add_file(archive, "large", os.urandom(48 << 20))
    image = writer.finish("1", ["/bin/true"])
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    await pull(second, APP)
    third = await start("third", first)
    await eventually(knows(third, second))
    layer = max(image.sizes, key=image.sizes.get)

    async def both_announce_it():
        return len(await third.dht.find(Digest.parse(layer))) == 2

    await eventually(both_announce_it)
    given = await pull(third, APP)
    assert set(given[Digest.parse(layer)]) == {node.identity.node_id.short for node in (first, second)}


async def test_a_restarted_node_is_itself_again_and_serves_within_seconds(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    await pull(second, APP)
    was = second.identity.node_id
    layers = {blob.digest: second.store.piece_layer(blob.digest) for blob in second.store.blobs()}
    assert layers == {blob.digest: first.store.piece_layer(blob.digest) for blob in first.store.blobs()}
    await second.close()
    await first.close()

    before = time.monotonic()
    second = await start("second")
    assert time.monotonic() - before < 5
    assert second.identity.node_id == was
    assert {blob.digest: second.store.piece_layer(blob.digest) for blob in second.store.blobs()} == layers
    third = await start("third", second)
    await eventually(knows(third, second))

    async def found():
        return await third.dht.resolve(str(APP.repository), "1")

    await eventually(found)
    await pull(third, APP)
    assert {str(blob.digest): blob.size for blob in third.store.blobs()} == image.sizes


async def test_what_is_removed_is_gone_for_the_others_too(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    layer = Digest.parse(max(image.sizes, key=image.sizes.get))
    await second.images.blob(layer)
    stored = first.store.get(layer)
    first.store.remove([layer])
    await first.holdings.drop([stored])
    with pytest.raises(BlobNotFound):
        await second.images.blob(layer)


async def test_nodes_without_the_secret_do_not_see_those_with_it(start, image):
    insider = await start("insider", secret="a-secret-of-many-bytes")
    await seed(insider, image)
    outsiders = [await start("outsider", insider), await start("stranger", insider, secret="another-long-secret-here")]
    for outsider in outsiders:
        with pytest.raises(ReferenceNotFound):
            await outsider.images.resolve(APP)
        assert outsider.dht.contacts() == []
    assert insider.dht.contacts() == []
    layer = insider.store.get(Digest.parse(max(image.sizes, key=image.sizes.get)))
    assert insider.holdings.metainfo(layer).infohash != outsiders[0].holdings.metainfo(layer).infohash


async def test_nodes_with_the_same_secret_are_one_cluster(start, image):
    first = await start("first", secret="a-secret-of-many-bytes")
    await seed(first, image)
    second = await start("second", first, secret="a-secret-of-many-bytes\n")
    await eventually(knows(second, first))
    await pull(second, APP)
    assert {str(blob.digest): blob.size for blob in second.store.blobs()} == image.sizes


class Clock:
    """That by which secrets begin and end."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now

    async def pass_to(self, now, *nodes):
        self.now = now
        for node in nodes:
            await node.keyring.look()


async def put(node, data):
    """Bring one blob into node, and make it known."""
    digest = Digest.of(data)
    await node.holdings.add([node.store.put(digest, data)])
    return digest


async def read(node, digest):
    blob = await node.images.blob(digest)
    return b"".join([chunk async for chunk in blob.read(0, blob.size)])


async def test_the_secret_is_changed_while_nodes_run_and_the_old_one_is_worth_nothing_in_the_end(start, image):
    clock, rng = Clock(), random.Random(11)
    blobs = [rng.randbytes(size) for size in (100, 1_000_000) * 3]
    first = await start("first", secret="the-old-secret-of-all", clock=clock)
    file = first.config.secret_file
    old = file.read_text()
    second = await start("second", first, secret=old, clock=clock)
    forgotten = await start("forgotten", first, secret=old, clock=clock)
    for node in (second, forgotten):
        await eventually(knows(first, node))
    await seed(first, image)

    entered = rotation.rotate(file, 3600, clock.now)
    await clock.pass_to(clock.now, first, second)
    second.config.secret_file.write_bytes(file.read_bytes())
    await clock.pass_to(entered.begins - 1, first, second, forgotten)
    await pull(second, APP)

    await clock.pass_to(entered.begins, first, second, forgotten)
    assert first.keyring.current == second.keyring.current != forgotten.keyring.current
    for data in blobs[:2]:
        require_same(await read(second, await put(first, data)), data)
    third = await start("third", second, secret=file.read_text(), clock=clock)
    await eventually(knows(third, first))
    await pull(third, APP)
    # within the overlap whoever has the old secret alone is still answered
    assert await forgotten.dht.find(await put(first, blobs[2]))

    await clock.pass_to(entered.previous_until, first, second, third, forgotten)
    assert len(first.keyring.accepted) == 1
    for data in blobs[3:5]:
        digest = await put(first, data)
        require_same(await read(third, digest), data)
        require_same(await read(second, digest), data)
        assert await forgotten.dht.find(digest) == []
        with pytest.raises(BlobNotFound):
            await read(forgotten, digest)
    outsider = await start("outsider", first, secret=old, clock=clock)
    with pytest.raises(ReferenceNotFound):
        await pull(outsider, APP)
    assert outsider.dht.contacts() == []


@pytest.fixture
def other_image(tmp_path):
    writer = ImageWriter(tmp_path / "other")
    with writer.layer() as archive:
        add_file(archive, "small", b"something else")
    return writer.finish("1", ["/bin/false"])


async def test_a_tag_is_what_its_publisher_says_also_where_a_liar_says_something_newer(start, image, other_image):
    liar = await start("liar")
    first = await start("first", liar)
    rules = (Rule(first.identity.node_id, (Pattern.parse(str(APP.repository)),)),)
    await first.close()
    first = await start("first", liar, publishers=rules)
    node = await start("node", first, publishers=rules)
    await eventually(knows(node, liar))
    right = await seed(first, image)
    wrong = await seed(liar, other_image)
    late = await start("late", liar, publishers=rules)
    believer = await start("believer", liar)
    await eventually(knows(late, first))
    await eventually(knows(believer, first))
    for asked in (first, node, late):
        assert (await asked.images.resolve(APP)).digest == right
        assert asked.counters.events["names.not_believed"] > 0
    told = await late.images.why(APP)
    assert told.not_believed == (str(liar.identity.node_id),)
    # negative twin: without rules the newest counts
    assert (await believer.images.resolve(APP)).digest == wrong


async def send_garbage(node, rng, rounds):
    host, port = node.cluster_address.split(":")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        for _ in range(rounds):
            await loop.sock_sendto(udp, rng.randbytes(rng.randrange(1500)), (host, int(port)))
    for address in (node.cluster_address, node.registry_address, node.swarm_address):
        host, port = address.split(":")
        for size in (1, 100, 20_000):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(rng.randbytes(size))
            writer.close()


async def test_garbage_on_every_port_is_dropped_and_counted_and_does_no_harm(start, image):
    rng = random.Random(7)
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    await send_garbage(first, rng, 50)
    await asyncio.sleep(0.2)
    gc.collect()
    tasks, things = len(asyncio.all_tasks()), len(gc.get_objects())
    for _ in range(5):
        await send_garbage(first, rng, 50)
    await asyncio.sleep(0.5)
    gc.collect()
    assert len(asyncio.all_tasks()) <= tasks + 5
    assert len(gc.get_objects()) < things + 3000
    dropped = first.counters.dropped | first.dht.counters
    assert dropped["peer.malformed"] > 0
    assert any(count >= 200 for name, count in dropped.items() if name.startswith("dropped_")), dropped
    assert len(first.dht.contacts()) == 1
    await pull(second, APP)
    assert {str(blob.digest): blob.size for blob in second.store.blobs()} == image.sizes


async def test_a_second_node_on_the_same_data_is_refused(start):
    await start("first")
    with pytest.raises(StoreLocked):
        await start("first")


async def test_a_node_that_cannot_start_leaves_nothing_running(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = asyncio.all_tasks()
        registry = HostPort("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(AddressUnusable):
            await Node.start(Config(tmp_path / "node", registry, ANY, configured_only=True))
        assert asyncio.all_tasks() == before
    node = await start("node")
    assert node.registry_address


async def test_a_node_that_is_closed_in_the_middle_of_a_pull_ends_it_and_leaves_nothing_running(start, image):
    first = await start("first")
    await seed(first, image)
    second = await start("second", first)
    await eventually(knows(second, first))
    layer = max(image.sizes, key=image.sizes.get)
    async with (
        ClientSession() as session,
        session.get(f"http://{second.registry_address}/v2/library/app/blobs/{layer}") as response,
    ):
        assert response.status == 200
        await second.close()
        with suppress(ClientPayloadError):
            assert await response.read() == image.path(layer).read_bytes()
    await first.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
