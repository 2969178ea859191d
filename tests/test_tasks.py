import asyncio

from p2player.tasks import Tasks


async def test_who_ends_a_task_goes_on_when_it_has_cleaned_up():
    tasks, told = Tasks("test"), []

    async def works():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cleaned up")

    task = tasks.spawn(works(), "works")
    await asyncio.sleep(0)
    await tasks.end(task)
    assert told == ["cleaned up"]
    assert task.cancelled()


async def test_nothing_and_what_has_failed_are_ended_as_well():
    tasks = Tasks("test")

    async def fails():
        raise ValueError

    failed = tasks.spawn(fails(), "fails")
    await asyncio.sleep(0)
    await tasks.end(failed)
    await tasks.end(None)
    assert isinstance(failed.exception(), ValueError)
