"""Blobs as the endpoint serves them: whole, in part, and never complete if they are not."""

import asyncio
import logging

import aiohttp
import pytest

from p2player.errors import TransferStalled
from p2player.oci.digest import Digest
from tests.registry.asking import DATA, code_of


async def test_a_blob_arrives_whole(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Docker-Content-Digest"] == str(blob)
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == DATA


async def test_the_same_connection_serves_blob_after_blob(endpoint, blob):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for _ in range(3):
            async with session.get(f"http://127.0.0.1:{endpoint[1]}/v2/app/blobs/{blob}") as response:
                assert await response.read() == DATA


async def test_many_clients_are_served_at_once(client, blob):
    async def get():
        async with client.get(f"/v2/app/blobs/{blob}") as response:
            return await response.read() == DATA

    assert all(await asyncio.gather(*(get() for _ in range(32))))


async def test_head_of_a_blob_tells_its_size_and_reads_nothing(client, library):
    digest = library.add_blob(b"x" * 1000, good=0, fault=TransferStalled("nobody may read this"))
    async with client.head(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "1000"
        assert response.headers["Docker-Content-Digest"] == str(digest)
    async with client.head(f"/v2/app/blobs/{digest}", headers={"Range": "bytes=0-1"}) as response:
        assert response.status == 200


async def test_an_empty_blob_is_served(client, library):
    digest = library.add_blob(b"")
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "0"
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("header", "start", "stop"), [("bytes=0-0", 0, 1), ("bytes=1000-", 1000, 2**20), ("bytes=-10", 2**20 - 10, 2**20)]
)
async def test_a_range_is_partial_content(client, blob, header, start, stop):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": header}) as response:
        assert response.status == 206
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        assert await response.read() == DATA[start:stop]


async def test_several_ranges_get_the_whole(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": "bytes=0-1,4-5"}) as response:
        assert response.status == 200
        assert await response.read() == DATA


async def test_a_range_behind_the_end_is_refused_with_the_size(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": f"bytes={len(DATA)}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_a_range_of_something_else_gets_the_whole(client, blob):
    headers = {"Range": "bytes=0-1", "If-Range": '"another"'}
    async with client.get(f"/v2/app/blobs/{blob}", headers=headers) as response:
        assert response.status == 200
    headers["If-Range"] = f'"{blob}"'
    async with client.get(f"/v2/app/blobs/{blob}", headers=headers) as response:
        assert response.status == 206


@pytest.mark.parametrize("good", [0, 64 * 1024, len(DATA) - 1])
async def test_a_blob_that_fails_midway_is_never_complete(client, library, good, caplog):
    digest = library.add_blob(DATA, good=good, fault=TransferStalled("no more peers"))
    with caplog.at_level(logging.WARNING):
        async with client.get(f"/v2/app/blobs/{digest}") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    assert "no more peers" in caplog.text


async def test_a_file_that_is_too_short_is_never_complete(client, library, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    digest = library.add_file(path)
    path.write_bytes(DATA[:1000])
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_file_that_has_gone_is_not_found(client, library, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    digest = library.add_file(path)
    path.unlink()
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 404
        assert await code_of(response) == "BLOB_UNKNOWN"


async def test_a_reader_that_leaves_closes_the_blob(endpoint, library):
    closed = asyncio.Event()

    class Slow:
        digest, size, path = Digest.of(DATA), len(DATA), None

        async def read(self, *_):
            try:
                yield DATA[:10]
                await asyncio.Event().wait()
            finally:
                closed.set()

    library._blobs[Slow.digest] = Slow()
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{endpoint[1]}/v2/app/blobs/{Slow.digest}")
        assert await response.content.readexactly(10) == DATA[:10]
        response.close()
    await asyncio.wait_for(closed.wait(), 30)


async def test_bytes_from_the_store_are_counted_and_streamed_ones_are_not(client, library, counters, tmp_path):
    (tmp_path / "blob").write_bytes(DATA)
    for digest in (library.add_file(tmp_path / "blob"), library.add_blob(b"streamed")):
        async with client.get(f"/v2/app/blobs/{digest}", headers={"Range": "bytes=0-99"}) as response:
            await response.read()
    assert counters.bytes["local"] == 100
