"""Becoming and staying part of the cluster: joining, coming back after an outage, knowing nodes all over the key space."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Iterable
from random import Random
from typing import Final

from p2player.dht.crawl import Crawler
from p2player.dht.protocol import SealedProtocol
from p2player.dht.routing import ID_BITS
from p2player.dht.wire import Address, Ping

REFRESH_SECONDS: Final = 60.0
_FEWEST, _MANY = 2, 16
_FIRST_RETRY, _LAST_RETRY = 0.5, 30.0
_FAR_BITS: Final = 3  # a newcomer looks around in the parts of the key space that share less of its id than this

log = logging.getLogger(__name__)


class Membership:
    """Keeps the routing table of one node filled."""

    def __init__(self, protocol: SealedProtocol, crawler: Crawler, rng: Random) -> None:
        self._protocol = protocol
        self._crawler = crawler
        self._rng = rng
        self._family = socket.AF_INET
        self._doors: dict[tuple[str, int], None] = {}
        self._wake = asyncio.Event()
        self.has_looked_around = False
        """Whether nodes all over the key space have been looked for since this one last knew nobody."""
        self._looking_around = asyncio.Lock()

    def bound_to(self, host: str) -> None:
        """Take in the host that is listened on: names are resolved to addresses of its family."""
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def remember(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Try addresses whenever nobody is known."""
        self._doors.update(dict.fromkeys(addresses))
        self._wake.set()

    async def join(self, addresses: Iterable[tuple[str, int]]) -> bool:
        """Join through any of addresses, now and whenever nobody is known. Returns whether one has answered."""
        self.remember(addresses)
        self.has_looked_around = False
        return await self._enter()

    def met_somebody(self) -> None:
        """Take in that somebody is known who was not: a node that is found before it has found anybody looks around."""
        if not self.has_looked_around:
            self._wake.set()

    async def run(self) -> None:
        """Look after the table, for ever."""
        retry = _FIRST_RETRY
        while True:
            self._wake.clear()
            alone = not self._protocol.router.somebody_answers
            if alone:
                self.has_looked_around = False
            else:
                await self._look_around()
            try:
                async with asyncio.timeout(retry if alone and self._doors else self._refresh_delay()):
                    await self._wake.wait()
                    retry = _FIRST_RETRY
            except TimeoutError:
                if alone:
                    retry = _FIRST_RETRY if await self._enter() else min(2 * retry, _LAST_RETRY)
                else:
                    await self._refresh()

    def _refresh_delay(self) -> float:
        # In a small cluster a lookup costs little, and somebody who has forgotten all others is not asked for long.
        share = min(max(len(self._protocol.router), _FEWEST), _MANY) / _MANY
        return REFRESH_SECONDS * share * self._rng.uniform(0.5, 1.5)

    async def _enter(self) -> bool:
        if not await self._knock(self._doors):
            return False
        await self._look_around()
        return True

    async def _look_around(self) -> None:
        async with self._looking_around:
            if self.has_looked_around:
                return
            await self._crawler.nearest(self._protocol.router.node.id)
            await asyncio.gather(*map(self._crawler.nearest, self._far_ids()))
            self.has_looked_around = True

    async def _knock(self, doors: Iterable[tuple[str, int]]) -> bool:
        resolved = await asyncio.gather(*(self._resolve(host, port) for host, port in doors))
        pings = [self._protocol.ask(address, Ping()) for addresses in resolved for address in addresses]
        for ping in asyncio.as_completed(pings):
            if await ping is not None:
                return True
        return False

    async def _refresh(self) -> None:
        # One lookup a minute, in some bucket, instead of one in each bucket every hour at once. A door is knocked at
        # besides, so that two halves of a cluster that lost each other find together again.
        table = self._protocol.router
        bucket = self._rng.choice(table.buckets)
        await self._crawler.nearest(self._rng.randint(*bucket.range).to_bytes(ID_BITS // 8, "big"))
        if self._doors:
            await self._knock([self._rng.choice(list(self._doors))])

    def _far_ids(self) -> list[bytes]:
        own = self._protocol.router.node.long_id
        distances = [self._rng.randrange(1 << bit, 2 << bit) for bit in range(ID_BITS - _FAR_BITS, ID_BITS)]
        return [(own ^ distance).to_bytes(ID_BITS // 8, "big") for distance in distances]

    async def _resolve(self, host: str, port: int) -> list[Address]:
        with contextlib.suppress(ValueError):
            return [Address(str(ipaddress.ip_address(host)), port)]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, family=self._family, type=socket.SOCK_DGRAM
            )
        except OSError as error:
            log.info("cannot resolve %s: %s", host, error)
            return []
        return [Address(str(sockaddr[0]), port) for *_, sockaddr in found]
