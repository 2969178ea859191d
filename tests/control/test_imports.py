import asyncio

import aiohttp
import pytest

from p2player.control.codec import error_from_json
from p2player.control.messages import Naming
from p2player.errors import BadInput, DaemonUnreachable, DigestMismatch, DiskFull, InvalidArchive
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference

NAME = "docker.io/library/app:1"


async def chunks(*data):
    for chunk in data:
        yield chunk


def staging(daemon):
    return list((daemon.config.data_dir / "staging").iterdir())


@pytest.fixture
def image(daemon):
    """An image that is elsewhere: its naming, and its blobs from the manifest down."""
    root = daemon.images.publish(NAME, {"linux/amd64": b"layer"})
    digests = [root.digest, *(child.digest for child in root.children)]
    blobs = {digest: daemon.images.elsewhere[digest] for digest in digests}
    return Naming(Reference.parse(NAME), root.descriptor), blobs


async def test_a_committed_import_is_stored_seeded_and_published(daemon, client, image):
    naming, blobs = image
    async with client.begin_import() as importing:
        for digest, data in blobs.items():
            stored = await importing.add(digest, len(data), chunks(data[:3], data[3:]))
            assert (stored.digest, stored.size) == (digest, len(data))
        assert daemon.store.blobs() == []
        await importing.commit([naming])
    assert daemon.holdings.offered == {blob.digest for blob in daemon.store.blobs()} == set(blobs)
    assert daemon.holdings.published[NAME].descriptor == naming.descriptor == daemon.store.names()[0].descriptor
    assert staging(daemon) == []


async def test_a_blob_whose_digest_is_not_known_is_named_by_the_daemon(daemon, client):
    async with client.begin_import() as importing:
        stored = await importing.add(None, None, chunks(b"some", b"thing"))
        await importing.commit([])
    assert stored.digest == Digest.of(b"something")
    assert daemon.store.path(stored.digest).read_bytes() == b"something"


async def test_an_empty_blob_comes_in(daemon, client):
    async with client.begin_import() as importing:
        assert (await importing.add(Digest.of(b""), 0, chunks())).size == 0
        await importing.commit([])
    assert daemon.store.get(Digest.of(b""))


async def test_a_blob_that_is_here_is_not_sent_again(daemon, client):
    daemon.store.put(Digest.of(b"x"), b"x")

    async def unread():
        pytest.fail("it was read")
        yield b""

    async with client.begin_import() as importing:
        assert await importing.add(Digest.of(b"x"), 1, unread()) is None


async def test_an_import_that_is_left_without_a_commit_leaves_nothing(daemon, client, image, eventually):
    _, blobs = image
    async with client.begin_import() as importing:
        for digest, data in blobs.items():
            await importing.add(digest, len(data), chunks(data))
        assert staging(daemon)
    await eventually(lambda: staging(daemon) == [])
    assert (daemon.store.blobs(), daemon.holdings.offered) == ([], set())


async def test_a_client_that_dies_in_the_middle_of_a_blob_leaves_nothing(daemon, client, eventually):
    async def dying():
        yield b"half of it"
        await eventually(lambda: staging(daemon))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with client.begin_import() as importing:
            await importing.add(None, None, dying())
    await eventually(lambda: staging(daemon) == [])
    assert daemon.store.blobs() == []


async def test_content_that_is_not_what_it_is_called_is_refused(daemon, client, eventually):
    with pytest.raises(DigestMismatch):
        async with client.begin_import() as importing:
            await importing.add(Digest.of(b"right"), 5, chunks(b"wrong"))
    await eventually(lambda: staging(daemon) == [])
    assert daemon.store.blobs() == []


async def test_a_failure_of_the_daemon_is_heard_before_the_last_byte_is_sent(daemon, client, monkeypatch):
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 10_000:
            sent += 1
            yield bytes(100_000)

    def fail(*_):
        raise DiskFull("no space")

    monkeypatch.setattr("p2player.store.imports.BlobWriter.write", fail)
    with pytest.raises(DiskFull, match="no space"):
        async with client.begin_import() as importing:
            await importing.add(None, None, endless())
    assert sent < 10_000


async def test_an_image_that_lacks_a_blob_does_not_come_in(daemon, client, image):
    naming, blobs = image
    async with client.begin_import() as importing:
        for digest, data in list(blobs.items())[:-1]:
            await importing.add(digest, len(data), chunks(data))
        with pytest.raises(InvalidArchive, match="not there"):
            await importing.commit([naming])
    assert (daemon.store.blobs(), daemon.store.names(), daemon.holdings.published) == ([], [], {})


async def test_a_client_that_leaves_during_the_commit_does_not_stop_it(daemon, client, image, monkeypatch, eventually):
    naming, blobs = image
    reached, go_on = asyncio.Event(), asyncio.Event()
    add = daemon.holdings.add

    async def slow_add(blobs):
        reached.set()
        await go_on.wait()
        await add(blobs)

    monkeypatch.setattr(daemon.holdings, "add", slow_add)
    async with client.begin_import() as importing:
        for digest, data in blobs.items():
            await importing.add(digest, len(data), chunks(data))
        committing = asyncio.wait_for(importing.commit([naming]), 30)
        watching = asyncio.gather(committing, reached.wait())
        await reached.wait()
        watching.cancel()
    go_on.set()
    await eventually(lambda: NAME in daemon.holdings.published)
    assert daemon.holdings.offered == set(blobs)


async def test_a_daemon_that_goes_away_is_unreachable(daemon, client):
    async def closing():
        yield b"x"
        await daemon.server.close()

    with pytest.raises(DaemonUnreachable):
        async with client.begin_import() as importing:
            await importing.add(None, None, closing())


@pytest.mark.parametrize("text", ["", "[]", "{", '{"digest": "x", "size": 1}', '{"names": [1]}', '{"size": "big"}'])
async def test_a_malformed_message_ends_the_import(daemon, text):
    path = daemon.config.data_dir / "control.sock"
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.ws_connect("http://p2player/import") as socket,
    ):
        await socket.send_str(text)
        assert isinstance(error_from_json(await socket.receive_json()), BadInput)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert staging(daemon) == []
