import asyncio
import os

import pytest
from aiohttp import web

from p2player.counters import Counters
from p2player.errors import BlobNotFound, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.upstream.memory import MemoryRegistry
from tests.upstream.conftest import break_off

NAME = "registry.test"
APP = Repository(NAME, "team/app")
BLOB = os.urandom(400_000)
DIGEST = Digest.of(BLOB)
PATH = f"/v2/team/app/blobs/{DIGEST}"


@pytest.fixture
def held():
    held = MemoryRegistry()
    held.put(APP, BLOB)
    return held


async def read(upstreams, start=0, received=None):
    received = bytearray() if received is None else received
    async with upstreams.open(APP, DIGEST, "blobs", "anonymous", start=start) as blob:
        async for chunk in blob.chunks:
            received += chunk
    assert blob.size == len(BLOB)
    return bytes(received)


def breaking(server, *places, ranges=True):
    """Let each stream of the server's blob break off at the next of these places, the last at none."""
    left = list(places)

    async def handler(request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1]) if ranges else 0
        stop = left.pop(0) if left else len(BLOB)
        headers = {"Content-Length": str(len(BLOB) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(BLOB[start:stop])
        if stop < len(BLOB):
            await break_off(request)
        return response

    server.instead = {PATH: handler}


def asked_ranges(server):
    return [request.headers.get("Range") for request in server.requests]


async def test_a_stream_that_breaks_is_taken_up_where_it_broke(serve, held, ask):
    server = await serve(held)
    breaking(server, 100_000, 250_000)
    counters = Counters()
    assert await read(ask(server.url, counters=counters)) == BLOB
    assert asked_ranges(server) == [None, "bytes=100000-", "bytes=250000-"]
    assert counters.bytes["upstream"] == len(BLOB)


async def test_a_stream_is_taken_up_at_another_address(serve, held, ask):
    first, second = await serve(held), await serve(held)
    breaking(first, 100_000)
    assert await read(ask(first.url, second.url)) == BLOB
    assert (asked_ranges(first), asked_ranges(second)) == ([None], ["bytes=100000-"])


async def test_a_registry_that_knows_no_ranges_sends_all_again(serve, held, ask):
    server = await serve(held, ranges=False)
    assert await read(ask(server.url), start=150_000) == BLOB[150_000:]
    breaking(server, 100_000, 250_000, ranges=False)
    assert await read(ask(server.url)) == BLOB


async def test_a_stream_that_makes_no_progress_is_given_up(serve, held, ask):
    server = await serve(held)
    breaking(server, *[100_000] * 10)
    received = bytearray()
    with pytest.raises(UpstreamUnreachable, match=NAME):
        await read(ask(server.url), received=received)
    assert received == BLOB[:100_000]
    assert len(server.requests) == 4


async def test_a_stream_goes_on_as_long_as_it_makes_progress(serve, held, ask):
    server = await serve(held)
    breaking(server, *range(70_000, len(BLOB), 70_000))
    assert await read(ask(server.url)) == BLOB


async def test_a_registry_that_comes_back_is_asked_again(serve, held, ask):
    server = await serve(held)
    breaking(server, 100_000)
    upstreams = ask(server.url)
    received = bytearray()
    async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
        received += await anext(blob.chunks)
        held.faults[NAME] = "down"
        server.instead = {}
        asyncio.get_running_loop().call_later(0.5, held.faults.clear)
        async for chunk in blob.chunks:
            received += chunk
    assert received == BLOB


async def test_a_part_capped_by_the_registry_is_followed_by_the_next(serve, held, ask):
    async def capped(request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        stop = min(start + 100_000, len(BLOB))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(BLOB)}"}
        return web.Response(status=206, body=BLOB[start:stop], headers=headers)

    server = await serve(held)
    server.instead = {PATH: capped}
    assert await read(ask(server.url), start=1) == BLOB[1:]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"Content-Range": "bytes 0-9/400000"}),
        (206, {"Content-Range": "nonsense"}),
        (206, {}),
        (416, {"Content-Range": "bytes */400000"}),
        (416, {}),
        (200, {"Content-Encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_not_the_part_asked_for_is_refused(serve, held, ask, status, headers):
    async def wrong(request):
        return web.Response(status=status, body=b"0123456789", headers=headers)

    server = await serve(held)
    server.instead = {PATH: wrong}
    with pytest.raises(UpstreamUnreachable, match=NAME):
        await read(ask(server.url), start=100_000)


async def test_an_address_with_another_size_is_not_mixed_in(serve, held, ask):
    async def other(request):
        return web.Response(body=b"other")

    first, second = await serve(held), await serve(held)
    breaking(first, 100_000)
    second.instead = {PATH: other}
    assert await read(ask(first.url, second.url)) == BLOB


async def test_a_blob_whose_size_is_not_sent_is_measured(serve, held, ask):
    async def chunked(request):
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(BLOB))})
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(BLOB + b"too much")
        return response

    server = await serve(held)
    server.instead = {PATH: chunked}
    assert await read(ask(server.url)) == BLOB


async def test_a_blob_that_goes_away_midway_is_not_found(serve, held, ask):
    server = await serve(held)
    breaking(server, 100_000)
    upstreams = ask(server.url)

    async def read_on():
        async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
            await anext(blob.chunks)
            server.instead = {}
            held.remove(APP, DIGEST)
            async for _ in blob.chunks:
                pass

    with pytest.raises(BlobNotFound):
        await read_on()


async def test_a_blob_comes_from_where_it_is_redirected_to(serve, held, ask):
    async def redirect(request):
        return web.Response(status=307, headers={"Location": f"{storage.url}/v2/team/app/blobs/{DIGEST}?sig=a%2Bb"})

    server, storage = await serve(held, tokens=True), await serve(held)
    upstreams = ask(server.url)
    await upstreams.check(APP, DIGEST, "blobs", "anonymous")
    server.instead = {PATH: redirect}
    assert await read(upstreams) == BLOB
    assert server.requests[-1].headers["Authorization"].startswith("Bearer ")
    assert "Authorization" not in storage.requests[-1].headers


async def test_many_readers_that_leave_early_leave_nothing_behind(serve, held, ask):
    server = await serve(held)
    upstreams = ask(server.url)
    for _ in range(20):
        async with upstreams.open(APP, DIGEST, "blobs", "anonymous") as blob:
            await anext(blob.chunks)
    assert await read(upstreams) == BLOB
