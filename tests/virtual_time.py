"""An event loop in virtual time, for tests of what waits."""

import asyncio
import selectors


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: it moves the loop's clock on instead."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen again"
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only while there is nothing to do; what is meant for a thread is done on the spot."""

    def __init__(self):
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now

    def run_in_executor(self, executor, func, *args):
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (the waiter gets it)
            future.set_exception(error)
        return future
