"""Asking the DHT who has a blob, and what they claim its torrent is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from p2player.dht.discovery import Discovery
from p2player.errors import BlobNotFound
from p2player.oci.digest import Digest
from p2player.pull.fetch.holders import Sighting, sighting_of
from p2player.pull.journal import Journal
from p2player.swarm.realm import Realm

T = TypeVar("T")

LIKELY_ENOUGH: Final = 16
"""How many holders to look for at first."""
LIKELY_ENOUGH_STREAMING: Final = 8
"""How many while it is streamed. To read on to the last of sixteen is one page after another, from each of those who keep them."""
_PAUSES: Final = (0.3,)
"""Seconds before each further look for what may be nowhere: one lost datagram is not taken for an answer."""
_PAUSES_NAMED: Final = (0.3, 0.6, 1.2, 2.4)
"""The same for what a manifest or a record names: somebody had it. Busy nodes, as when a crowd begins, may all fail to answer for a second."""


class Search:
    """Claims by digest. `realms` are those of the cluster's swarms, the first is joined; `bans` tells who is not believed."""

    def __init__(
        self,
        discovery: Discovery,
        journal: Journal,
        realms: Callable[[], Sequence[Realm]],
        bans: Callable[[], frozenset[bytes]],
    ) -> None:
        self._discovery = discovery
        self._journal = journal
        self._realms = realms
        self._bans = bans

    async def look(self, digest: Digest, want: int) -> Sighting:
        """Return what about want nodes say of digest now."""
        providers = await self._discovery.find(digest, want)
        self._journal.add(digest, f"the DHT knows {len(providers)} other node(s) that have it")
        bans = self._bans()
        return sighting_of([provider for provider in providers if provider.node_id.raw not in bans], self._realms()[0])

    async def look_again(self, digest: Digest, *, is_named: bool) -> Sighting:
        """Return what is said of digest, or raise BlobNotFound if nobody says anything. `is_named`: somebody had it."""
        pauses = _PAUSES_NAMED if is_named else _PAUSES
        if sighting := await patiently(lambda: self.look(digest, LIKELY_ENOUGH), pauses):
            return sighting
        raise BlobNotFound(
            f"no node announces {digest}", hint="is a node that holds it running? see the cluster with: p2player peers"
        )


async def patiently(look: Callable[[], Awaitable[T]], pauses: Iterable[float]) -> T:
    """Return the first answer that is not empty, asking again after each of these pauses, in seconds; else the last one."""
    found = await look()
    for pause in pauses:
        if found:
            break
        await asyncio.sleep(pause)
        found = await look()
    return found
