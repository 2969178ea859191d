"""Putting a record where lookups will find it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from p2player.dht.belief import Belief, everybody
from p2player.dht.crawl import Crawler
from p2player.dht.findings import Names
from p2player.dht.protocol import SealedProtocol
from p2player.dht.records import NameRecord, Provider, Unpack, unpack_record
from p2player.dht.routing import Contact
from p2player.dht.storage import Refused, Storage
from p2player.dht.wire import Store


@dataclass(frozen=True, slots=True)
class Placed:
    """Who keeps the record now, and the newest record of its name where that is another one."""

    holders: tuple[Contact, ...] = ()
    newer: NameRecord | None = None


class Placement:
    """Stores records at the nodes nearest to their key, and in this node's own storage."""

    def __init__(
        self,
        protocol: SealedProtocol,
        crawler: Crawler,
        storage: Storage,
        now_ms: Callable[[], int],
        believes: Belief = everybody,
        unpack: Unpack = unpack_record,
    ) -> None:
        self._unpack = unpack
        self._protocol = protocol
        self._crawler = crawler
        self._storage = storage
        self._now_ms = now_ms
        self._believes = believes

    async def place(self, record: NameRecord | Provider, also: Iterable[Contact] = ()) -> Placed:
        """Store record here, at the nodes nearest to its key, and at those in `also`."""
        outdated_by = None
        with contextlib.suppress(Refused):  # others may have room for it
            outdated_by = self._storage.put(record, self._now_ms())
        if outdated_by is not None:
            return Placed(newer=self._newest(record, [outdated_by]))
        targets = {contact.id: contact for contact in [*also, *await self._crawler.nearest(record.key)]}
        return await self.store(record, targets.values())

    async def store(self, record: NameRecord | Provider, holders: Iterable[Contact]) -> Placed:
        """Store record at these nodes."""
        request = Store(record.pack())
        answers = await asyncio.gather(*(self._protocol.ask(node.address, request, node.id) for node in holders))
        answered = [answer for answer in answers if answer is not None]
        holders = tuple(answer.contact for answer in answered if not answer.reply.records)
        kept_instead = [raw for answer in answered for raw in answer.reply.records]
        return Placed(holders, self._newest(record, kept_instead))

    def _newest(self, record: NameRecord | Provider, kept_instead: Iterable[bytes]) -> NameRecord | None:
        if isinstance(record, Provider):
            return None
        names = Names(record.scope, self._now_ms(), self._believes, self._unpack)
        names.take([record.pack(), *kept_instead])
        newest = names.newest(record.name)
        return None if newest == record else newest
