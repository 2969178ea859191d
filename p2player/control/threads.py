"""Calls that may never return, such as reading from a pipe, kept away from the event loop and from its end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """Return what function returns, or raise what it raises.

    Unlike `asyncio.to_thread`, a call that is stuck when it is cancelled keeps neither the loop nor the process alive.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from now on it can be left alone, but not cancelled

    def run() -> None:
        try:
            outcome.set_result(function())
        except Exception as error:  # noqa: BLE001  (it is raised where the call is awaited)
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)
