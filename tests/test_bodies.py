import asyncio
import random
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from p2player.bodies import chunks_of

STEP = 50_000
DATA = random.Random(3).randbytes(3 * STEP + 1000)


class Server:
    """Sends DATA in parts, each after the test has let it."""

    def __init__(self, parts, *, length=True):
        self._parts = parts
        self._length = length
        self.may_send = asyncio.Semaphore(0)
        self.sent = asyncio.Semaphore(0)

    async def __call__(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))} if self._length else {})
        await response.prepare(request)
        at = 0
        for length in self._parts:
            await self.may_send.acquire()
            await response.write(DATA[at : at + length])
            self.sent.release()
            at += length
        return response


@asynccontextmanager
async def serving(handler):
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield session, f"http://127.0.0.1:{site.port}/"
    await runner.cleanup()


async def test_small_parts_are_taken_together_up_to_each_step():
    server = Server([1000] * (len(DATA) // 1000))
    async with serving(server) as (session, url), session.get(url) as response:
        chunks = chunks_of(response, STEP)
        server.may_send.release()
        came = [await anext(chunks)]
        for _ in range(len(DATA) // 1000 - 1):
            server.may_send.release()
            await server.sent.acquire()
        came += [chunk async for chunk in chunks]
    assert b"".join(came) == DATA
    assert len(came) <= 1 + -(-len(DATA) // STEP)


async def test_a_whole_step_comes_without_waiting_for_more():
    server = Server([STEP - 1000, 1000, 10])
    async with serving(server) as (session, url), session.get(url) as response:
        chunks = chunks_of(response, STEP)
        server.may_send.release()
        assert await anext(chunks)
        server.may_send.release()
        assert len(await anext(chunks)) >= 1000
        server.may_send.release()


@pytest.mark.parametrize("length", [True, False])
async def test_what_is_no_whole_step_comes_at_the_end(length):
    server = Server([2 * STEP, STEP, 900, 100], length=length)
    for _ in range(4):
        server.may_send.release()
    async with serving(server) as (session, url), session.get(url) as response:
        assert b"".join([chunk async for chunk in chunks_of(response, STEP)]) == DATA


async def test_a_body_that_breaks_off_says_so():
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
        await response.prepare(request)
        await response.write(DATA[:1000])
        request.transport.close()
        return response

    async with serving(handler) as (session, url), session.get(url) as response:
        with pytest.raises(aiohttp.ClientError):
            assert [chunk async for chunk in chunks_of(response, STEP)] == []


async def test_the_next_answer_on_the_connection_is_not_held_up():
    async def handler(request):
        if request.path == "/small":
            return web.Response(body=b"small")
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
        await response.prepare(request)
        await response.write(DATA[:1000])
        await response.write(DATA[1000:])
        return response

    async with serving(handler) as (session, url):
        async with session.get(url) as response:
            assert b"".join([chunk async for chunk in chunks_of(response, STEP)]) == DATA
        async with asyncio.timeout(20), session.get(url + "small") as response:
            assert await response.read() == b"small"
