import asyncio

import pytest

from bench.probe import get
from netsim.emulate.processes import ProgramError


@pytest.fixture
async def serve():
    """Serve one raw answer to whoever connects."""
    servers = []

    async def serve(answer, pause=None):
        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            for part in answer:
                writer.write(part)
                await writer.drain()
                if pause:
                    await pause()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()


def answer(body, length, status="200 OK"):
    return [f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode(), *body]


async def test_a_whole_body_is_timed(serve):
    timing = await asyncio.to_thread(get, await serve(answer([b"a", b"b" * 5000], 5001)), "/")
    assert timing.size == 5001
    assert 0 < timing.first_byte <= timing.whole


async def test_headers_alone_are_not_the_first_byte(serve):
    sent = asyncio.Event()
    hold = asyncio.Event()

    async def pause():
        sent.set()
        await hold.wait()

    probing = asyncio.create_task(asyncio.to_thread(get, await serve(answer([b"a"], 1), pause), "/"))  # noqa: TID251  (ends in this test)
    await sent.wait()
    assert not probing.done()
    hold.set()
    assert (await probing).size == 1


async def test_a_body_that_breaks_off_is_no_timing(serve):
    with pytest.raises(ProgramError, match="broke off after 3 of 10 bytes"):
        await asyncio.to_thread(get, await serve(answer([b"abc"], 10)), "/")


async def test_an_answer_that_is_no_success_is_shown(serve):
    with pytest.raises(ProgramError, match="404 gone"):
        await asyncio.to_thread(get, await serve(answer([b"gone"], 4, "404 Not Found")), "/blob")
