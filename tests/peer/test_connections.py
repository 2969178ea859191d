import asyncio
from collections import Counter

import pytest
from aiohttp import web

from p2player.peer.connections import BoundedServer
from tests.peer.conftest import PATIENCE

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Place:
    """A server with room for three connections. Requests for /wait are answered once `gate` is set."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.waiting = asyncio.Semaphore(0)
        self.ended = Counter()
        self.clients = []

    async def open(self):
        self.server = BoundedServer(
            self.answer, at_once=3, on_full=lambda: self.ended.update(["full"]), handler_cancellation=True
        )
        self.runner = web.ServerRunner(self.server)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()

    async def close(self):
        self.gate.set()
        for _, writer in self.clients:
            writer.close()
        await self.runner.cleanup()

    async def answer(self, request):
        if request.path == "/wait":
            self.waiting.release()
            await self.gate.wait()
        return web.Response(text="hello")

    async def connect(self, *, ask=True):
        client = await asyncio.open_connection(*self.runner.addresses[0])
        self.clients.append(client)
        if ask:
            await self.ask(client)
        return client

    async def ask(self, client):
        reader, writer = client
        writer.write(REQUEST)
        return await asyncio.wait_for(reader.readuntil(b"hello"), PATIENCE)

    async def wait(self):
        client = await self.connect(ask=False)
        client[1].write(REQUEST.replace(b"/ ", b"/wait ", 1))
        await self.waiting.acquire()
        return client

    async def is_ended(self, client):
        try:
            return await asyncio.wait_for(client[0].read(1), PATIENCE) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
async def place():
    place = Place()
    await place.open()
    yield place
    await place.close()


async def test_one_too_many_takes_the_place_of_the_one_idle_longest(place):
    first, second, third = [await place.connect() for _ in range(3)]
    await place.ask(first)
    fourth = await place.connect()
    assert await place.is_ended(second)
    for client in (first, third, fourth):
        await place.ask(client)
    assert place.ended == {"full": 1}


async def test_who_only_begins_to_ask_is_idle(place):
    slow = [await place.connect(ask=False) for _ in range(3)]
    for _, writer in slow:
        writer.write(REQUEST[:10])
    for _ in range(3):
        await place.connect()
    assert [await place.is_ended(client) for client in slow] == [True] * 3


async def test_whoever_is_being_answered_is_left_alone_and_the_newcomer_goes(place):
    busy = [await place.wait() for _ in range(3)]
    newcomer = await place.connect(ask=False)
    assert await place.is_ended(newcomer)
    place.gate.set()
    for reader, _ in busy:
        await asyncio.wait_for(reader.readuntil(b"hello"), PATIENCE)
    await place.connect()


async def test_as_many_as_there_is_room_for_stay(place):
    clients = [await place.connect() for _ in range(3)]
    for client in clients:
        await place.ask(client)
    assert not place.ended


async def test_who_has_left_or_broken_off_leaves_its_place(place):
    for connect in (place.connect, place.wait):
        for _ in range(3):
            _, writer = await connect()
            writer.transport.abort()
    while place.server.connections:  # noqa: ASYNC110  (the other end has to hear of it)
        await asyncio.sleep(0)
    clients = [await place.connect() for _ in range(3)]
    for client in clients:
        await place.ask(client)
