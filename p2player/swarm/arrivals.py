"""Waiting for things that arrive by name, in any order, for any number of waiters, until they all fail."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Arrivals(Generic[K, V]):
    """Futures by key. A waiter may come before or after what it waits for; it is not kept once nobody waits."""

    def __init__(self) -> None:
        self._expected: dict[K, asyncio.Future[V]] = {}
        self._failure: Exception | None = None

    @property
    def failure(self) -> Exception | None:
        """What `fail` was first given, if it was called."""
        return self._failure

    def __contains__(self, key: K) -> bool:
        return key in self._expected

    def expected(self) -> list[K]:
        """Return what is waited for."""
        return list(self._expected)

    async def wait(self, key: K) -> V:
        """Return what arrives under key from now on, or raise what `fail` is given."""
        if self._failure is not None:
            raise self._failure
        future = self._expected.get(key)
        if future is None:
            future = self._expected[key] = asyncio.get_running_loop().create_future()
        # One waiter that gives up must not take the others' answer away.
        return await asyncio.shield(future)

    def arrive(self, key: K, value: V) -> None:
        """Give value to all who wait for key."""
        future = self._expected.pop(key, None)
        if future is not None and not future.done():
            future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Give error to all who wait, now and later. The first error stands: what follows from it explains less."""
        self._failure = error = self._failure or error
        expected, self._expected = self._expected, {}
        for future in expected.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # a waiter that has gone must not leave a warning behind
