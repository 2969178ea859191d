import asyncio

import pytest

from netsim.simulate.loop import NothingLeftError, VirtualTimeLoop


def _run(main):
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def test_an_hour_passes_at_once():
    async def main():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert _run(main) == pytest.approx(3600)


def test_what_is_due_comes_in_order_of_time():
    async def main():
        came = []
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, came.append, delay)
        await asyncio.sleep(4)
        return came

    assert _run(main) == [1, 2, 3]


def test_what_is_due_at_the_same_time_comes_in_the_order_in_which_it_was_asked_for():
    async def main():
        came = []
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_at(1.0, came.append, number)
        await asyncio.sleep(2)
        return came

    assert _run(main) == list(range(100))


def test_what_was_called_off_neither_comes_nor_is_waited_for():
    async def main():
        came = []
        loop = asyncio.get_running_loop()
        loop.call_later(1, came.append, 1).cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        loop.call_later(3600, came.append, 2).cancel()
        return came, loop.time()

    assert _run(main) == ([], 2.0)


def test_waiting_for_what_never_comes_is_an_error():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(NothingLeftError):
        _run(main)


def test_what_is_meant_for_a_thread_is_done_on_the_spot():
    def fails():
        raise ZeroDivisionError

    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(fails)
        return await asyncio.to_thread(sum, [1, 2])

    assert _run(main) == 3
