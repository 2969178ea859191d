import asyncio
import threading

import pytest

from p2player.control.threads import in_daemon_thread


def run_in_own_loop(coroutine):
    """Run coroutine to its end and close its loop; unlike `asyncio.run`, leave the loop of this thread alone."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(coroutine)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


async def test_the_result_comes_back():
    assert await in_daemon_thread(lambda: 42) == 42


async def test_an_error_comes_back():
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 // 0)


def test_a_stuck_call_does_not_keep_the_loop_from_ending():
    never = threading.Event()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_daemon_thread(never.wait), 0.01)

    run_in_own_loop(give_up())
    never.set()


def test_a_call_that_returns_after_the_loop_has_ended_is_not_heard():
    never, returned = threading.Event(), threading.Event()

    def stuck():
        never.wait()
        returned.set()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_daemon_thread(stuck), 0.01)

    run_in_own_loop(give_up())
    never.set()
    assert returned.wait(30)
