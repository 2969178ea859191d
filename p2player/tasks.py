"""The only place where asyncio tasks are made: each has a name, an owner, and somebody who hears of its failure."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


def loop_time() -> float:
    """Return the seconds of the running event loop's clock, which does not go back."""
    return asyncio.get_running_loop().time()


class Tasks:
    """The background tasks of one owner, who calls `close` to end them all."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Return a running task of coro. If it fails and nobody awaits it, the failure is logged under its name."""
        task = asyncio.get_running_loop().create_task(coro, name=f"{self._owner}:{name}")
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("task %s failed", task.get_name(), exc_info=error)

    @staticmethod
    async def end(task: asyncio.Task[Any] | None) -> None:
        """Cancel a task, if there is one, and wait until it has ended, however it does."""
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
