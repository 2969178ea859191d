import asyncio
from http.client import IncompleteRead

import pytest

from netsim.emulate.asking import answer_of, content_of, status_of
from netsim.emulate.processes import ProgramError
from p2player.control.memory import MemoryDaemon
from p2player.control.server import ControlServer
from tests.rawserver import answer, serving


def read(ask, address, headers=None):
    with ask(address, "/v2/", headers or {}) as response:
        return response.read()


@pytest.mark.parametrize("ask", [answer_of, content_of])
async def test_what_is_asked_for_comes_and_the_headers_arrive(ask):
    async with serving(answer([b"abc"], 3)) as (address, asked):
        assert await asyncio.to_thread(read, ask, address, {"Accept": "text/x"}) == b"abc"
    assert asked[0].startswith("GET /v2/ ")
    assert "Accept: text/x\r\n" in asked[0]


async def test_another_status_is_an_answer_and_no_content():
    async with serving(answer([b"gone"], 4, "404 Not Found")) as (address, _):
        assert await asyncio.to_thread(read, answer_of, address) == b"gone"
        with pytest.raises(ProgramError, match="GET /v2/: 404 gone"):
            await asyncio.to_thread(read, content_of, address)


async def test_content_that_breaks_off_is_an_error():
    async with serving(answer([b"abc"], 10)) as (address, _):
        with pytest.raises(IncompleteRead):
            await asyncio.to_thread(read, answer_of, address)
        with pytest.raises(ProgramError, match="GET /v2/: IncompleteRead"):
            await asyncio.to_thread(read, content_of, address)


def test_nobody_there_is_an_error():
    with pytest.raises(ConnectionRefusedError):
        read(answer_of, "127.0.0.1:1")
    with pytest.raises(ProgramError, match="ConnectionRefusedError"):
        read(content_of, "127.0.0.1:1")


async def test_a_node_says_what_it_is_while_it_answers(tmp_path):
    daemon = MemoryDaemon(tmp_path / "data")
    server = ControlServer(daemon)
    await server.start()
    assert (await status_of(tmp_path / "data")).node_id == str(daemon.identity.node_id)
    await server.close()
    assert await status_of(tmp_path / "data") is None
    daemon.store.close()
