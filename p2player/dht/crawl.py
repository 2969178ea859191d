"""Drives lookups over the network: one driver for any number at once, no task and no timer for a single request."""

import asyncio
from collections.abc import Callable
from functools import partial

from p2player.dht.lookup import WIDTH, Lookup
from p2player.dht.protocol import Answered, SealedProtocol
from p2player.dht.routing import BUCKET_SIZE, Contact
from p2player.dht.wire import FindName, FindNodes, FindProviders, ListNames, Reply

Finding = FindNodes | FindProviders | FindName | ListNames
Take = Callable[[Contact, Reply], bool | None]
"""Takes in an answer; returns True if no more are needed."""


class Crawler:
    """Looks things up from where one node stands."""

    def __init__(self, protocol: SealedProtocol) -> None:
        self._protocol = protocol

    async def nearest(self, key: bytes) -> list[Contact]:
        """Return the nodes nearest to key that answered, nearest first, at most `WIDTH`."""
        return (await self.search(FindNodes(key), lambda _contact, _reply: None)).nearest()

    async def search(self, request: Finding, take: Take, has_some: Callable[[], object] = lambda: False) -> Lookup:
        """Ask nodes nearer and nearer to the request's key until take has enough, or nobody is left to ask.

        If has_some, those who are likely to have been invented are not waited for.
        """
        table = self._protocol.router
        known = table.nearest(request.key, BUCKET_SIZE) or table.nearest(request.key, BUCKET_SIZE, silent=True)
        lookup = Lookup(request.key, known, width=WIDTH)
        await _Crawl(self._protocol, lookup, request, take, has_some).run()
        return lookup


class _Crawl:
    def __init__(
        self,
        protocol: SealedProtocol,
        lookup: Lookup,
        request: Finding,
        take: Take,
        has_some: Callable[[], object],
    ) -> None:
        self._protocol = protocol
        self._lookup = lookup
        self._request = request
        self._take = take
        self._has_some = has_some
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        self._step()
        try:
            await self._done
        finally:
            self._disarm()

    def _step(self) -> None:
        self._disarm()
        if self._done.done():
            return
        now = self._loop.time()
        for contact in self._lookup.queries(now, self._protocol.round_trip.patience, self._protocol.round_trip.usual):
            answer = self._protocol.ask(contact.address, self._request, contact.id)
            answer.add_done_callback(partial(self._heard, contact))
        if self._lookup.finished(now) or (self._has_some() and self._lookup.waits_for_doubtful_only(now)):
            self._done.set_result(None)
        elif (late_at := self._lookup.next_late_at(now)) is not None:
            self._timer = self._loop.call_at(late_at, self._step)

    def _heard(self, contact: Contact, future: "asyncio.Future[Answered | None]") -> None:
        if self._done.done():
            return
        answered = future.result()
        if answered is None:
            self._lookup.failed(contact)
        else:
            own_id = self._protocol.router.node.id
            told = (n for n in answered.reply.neighbours if n.node_id != own_id and not self._protocol.shuns(*n))
            self._lookup.answered(contact, told)
            if self._take(contact, answered.reply):
                self._done.set_result(None)
        self._step()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
