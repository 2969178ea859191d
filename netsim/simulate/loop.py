"""An event loop in virtual time: nothing is waited for, and the clock moves on to whatever comes next.

It is asyncio's own loop without a selector: simulated nodes have no sockets, and threads would make a run one of its kind. What is
due at the same time happens in the order in which it was asked for, which asyncio does not promise.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")


class NothingLeftError(RuntimeError):
    """Somebody waits, and nothing will ever happen again."""


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Time passes only while there is nothing to do; what is meant for a thread is done on the spot."""

    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        """A heap of what has been asked for: when, as which one, and what it is."""
        self._asked_for = 0

    def time(self) -> float:
        """Return the seconds since the simulation's beginning."""
        return self._now

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at that time; see asyncio."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._asked_for += 1
        heappush(self._due, (when, self._asked_for, timer))
        return timer

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Return a future of what func returns or raises, which has come already."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (the waiter gets it)
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        """Do all that is to be done now. It stands where asyncio would ask its selector, and walk through its timers."""
        ready, due = self._ready, self._due
        while due and due[0][2].cancelled():
            heappop(due)
        if not ready and not self._stopping:
            if not due:
                raise NothingLeftError("everybody waits, and nothing will ever happen again")
            self._now = max(self._now, due[0][0])
        while due and due[0][0] <= self._now:
            ready.append(heappop(due)[2])
        for _ in range(len(ready)):  # what these add is for the next time
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001  (as asyncio's own does)

    def _write_to_self(self) -> None:
        """Nobody has to be woken: the loop never sleeps."""
