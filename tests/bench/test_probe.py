import asyncio

import pytest

from bench.probe import get
from netsim.emulate.processes import ProgramError
from tests.rawserver import answer, serving


async def test_a_whole_body_is_timed():
    async with serving(answer([b"a", b"b" * 5000], 5001)) as (address, _):
        timing = await asyncio.to_thread(get, address, "/")
    assert timing.size == 5001
    assert 0 < timing.first_byte <= timing.whole


async def test_headers_alone_are_not_the_first_byte():
    sent = asyncio.Event()
    hold = asyncio.Event()

    async def pause():
        sent.set()
        await hold.wait()

    async with serving(answer([b"a"], 1), pause) as (address, _):
        probing = asyncio.create_task(asyncio.to_thread(get, address, "/"))  # noqa: TID251  (ends in this test)
        await sent.wait()
        assert not probing.done()
        hold.set()
        assert (await probing).size == 1


async def test_a_body_that_breaks_off_is_no_timing():
    async with serving(answer([b"abc"], 10)) as (address, _):
        with pytest.raises(ProgramError, match="broke off after 3 of 10 bytes"):
            await asyncio.to_thread(get, address, "/")


async def test_an_answer_that_is_no_success_is_shown():
    async with serving(answer([b"gone"], 4, "404 Not Found")) as (address, _):
        with pytest.raises(ProgramError, match="404 gone"):
            await asyncio.to_thread(get, address, "/blob")
