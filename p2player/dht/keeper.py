"""Keeps what one node knows over a restart: saves its neighbours and the records it holds, and takes them back."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from p2player.dht.records import RecordError, Unpack
from p2player.dht.routing import BUCKET_SIZE, Table
from p2player.dht.state import State
from p2player.dht.storage import Refused, Storage
from p2player.dht.wire import Address
from p2player.errors import StorageError

log = logging.getLogger(__name__)


class Keeper:
    """The state file of one node; without a path there is none."""

    def __init__(
        self,
        path: Path | None,
        table: Table,
        storage: Storage,
        *,
        unpack: Unpack,
        now_ms: Callable[[], int],
        counters: Counter[str],
    ) -> None:
        self._path = path
        self._table = table
        self._storage = storage
        self._unpack = unpack
        self._now_ms = now_ms
        self._counters = counters
        self._size_when_saved = 0
        self._to_restore: list[bytes] = []
        self._writing = threading.Lock()

    def load(self) -> tuple[Address, ...]:
        """Return the neighbours saved last; the records saved with them wait for `take_back`."""
        if self._path is None:
            return ()
        state = State.load(self._path)
        self._size_when_saved = len(state.neighbours)
        self._to_restore += state.records
        return state.neighbours

    async def take_back(self) -> None:
        """Put the records loaded into the storage, checked like any that come in."""
        while self._to_restore:
            try:
                self._storage.put(self._unpack(self._to_restore.pop()), self._now_ms())
            except RecordError:
                self._counters["dropped_bad_record"] += 1
            except Refused as refused:
                self._counters[f"dropped_{refused.reason}"] += 1
            await asyncio.sleep(0)  # checking thousands of signatures must not hold up the node

    def must_save(self) -> bool:
        """Tell whether to save now, for twice as many nodes are known as when it was saved last.

        Who is killed before the first regular save, and was told of nobody to join, would come back to no cluster.
        """
        must = self._path is not None and len(self._table) >= 2 * self._size_when_saved
        if must:
            self._size_when_saved = len(self._table)
        return must

    async def save(self) -> None:
        """Write the state; what prevents that is logged."""
        if self._path is None:
            return
        self._size_when_saved = len(self._table)
        nearest = self._table.nearest(self._table.node.id, BUCKET_SIZE)
        state = State(tuple(contact.address for contact in nearest), (*self._storage, *self._to_restore))
        try:
            await asyncio.to_thread(self._write, state, self._path)
        except (OSError, StorageError) as error:
            log.warning("cannot save what the DHT knows to %s: %s", self._path, error)

    def _write(self, state: State, path: Path) -> None:
        with self._writing:  # one that was begun is not stopped by the node's end, which writes too
            state.save(path)
