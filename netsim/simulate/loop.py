"""An event loop in virtual time: nothing is waited for, and the clock moves on to whatever comes next.

It is asyncio's own loop without a selector: simulated nodes have no sockets, and threads would make a run one of its kind.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class NothingLeftError(RuntimeError):
    """Somebody waits, and nothing will ever happen again."""


class _Clock:
    """Stands where asyncio has its selector: it is asked to wait, and moves the time on instead."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise NothingLeftError("everybody waits, and nothing will ever happen again")
        self.now += timeout
        return []


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Time passes only while there is nothing to do; what is meant for a thread is done on the spot."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Clock()

    def time(self) -> float:
        """Return the seconds since the simulation's beginning."""
        return self._selector.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Return a future of what func returns or raises, which has come already."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (the waiter gets it)
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: no socket is watched."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken: the loop never sleeps."""
