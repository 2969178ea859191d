import asyncio

import pytest

from p2player.errors import TransferStalled
from p2player.swarm.arrivals import Arrivals


async def waiting(*awaitables):
    """Return tasks of awaitables that have come as far as they can."""
    tasks = [asyncio.get_running_loop().create_task(awaitable) for awaitable in awaitables]
    await asyncio.sleep(0)
    return tasks


async def test_all_who_wait_for_a_key_get_its_value_and_nobody_else_does():
    arrivals = Arrivals()
    first, second, other = await waiting(arrivals.wait(1), arrivals.wait(1), arrivals.wait(2))
    arrivals.arrive(1, "one")
    assert await first == await second == "one"
    assert not other.done()
    other.cancel()


async def test_nothing_is_kept_for_those_who_come_too_late():
    arrivals = Arrivals()
    arrivals.arrive(1, "early")
    (late,) = await waiting(arrivals.wait(1))
    assert not late.done()
    assert 1 in arrivals
    arrivals.arrive(1, "again")
    assert await late == "again"
    assert 1 not in arrivals


async def test_one_who_gives_up_does_not_take_the_others_answer_away():
    arrivals = Arrivals()
    first, second = await waiting(arrivals.wait(1), arrivals.wait(1))
    first.cancel()
    await asyncio.sleep(0)
    arrivals.arrive(1, "one")
    assert await second == "one"


async def test_a_failure_ends_all_waiting_now_and_later_and_the_first_one_stands():
    arrivals = Arrivals()
    assert arrivals.failure is None
    tasks = await waiting(arrivals.wait(1), arrivals.wait(2))
    cause, consequence = TransferStalled("cause"), TransferStalled("consequence")
    arrivals.fail(cause)
    arrivals.fail(consequence)
    assert await asyncio.gather(*tasks, return_exceptions=True) == [cause, cause]
    with pytest.raises(TransferStalled, match="cause"):
        await arrivals.wait(3)
    assert arrivals.failure is cause


async def test_a_failure_nobody_waits_for_any_more_is_no_unhandled_error(caplog):
    arrivals = Arrivals()
    (task,) = await waiting(arrivals.wait(1))
    task.cancel()
    await asyncio.sleep(0)
    arrivals.fail(TransferStalled("gone"))
    del arrivals
    assert not caplog.records
