"""Asking the DHT who has a blob, and what they claim its torrent is."""

import asyncio
from collections.abc import Callable
from typing import Final

from p2player.dht.discovery import Discovery
from p2player.errors import BlobNotFound
from p2player.oci.digest import Digest
from p2player.pull.holders import Claim, claims_of
from p2player.pull.journal import Journal

LIKELY_ENOUGH: Final = 16
"""How many holders to look for at first."""
_RETRY: Final = 0.3


class Search:
    """Claims by digest. `salt` is the cluster's, which enters every infohash; `bans` tells who is not believed."""

    def __init__(
        self, discovery: Discovery, journal: Journal, salt: bytes, bans: Callable[[], frozenset[bytes]]
    ) -> None:
        self._discovery = discovery
        self._journal = journal
        self._salt = salt
        self._bans = bans

    async def look(self, digest: Digest, want: int) -> list[Claim]:
        """Return what about want nodes claim of digest now, likeliest claim first; [] if nobody has it."""
        providers = await self._discovery.find(digest, want)
        self._journal.add(digest, f"the DHT knows {len(providers)} other node(s) that have it")
        bans = self._bans()
        return claims_of([provider for provider in providers if provider.node_id.raw not in bans], self._salt)

    async def look_twice(self, digest: Digest) -> list[Claim]:
        """Return what is claimed of digest, or raise BlobNotFound. One lost datagram is not taken for an answer."""
        for pause in (_RETRY, 0):
            if claims := await self.look(digest, LIKELY_ENOUGH):
                return claims
            await asyncio.sleep(pause)
        raise BlobNotFound(
            f"no node announces {digest}", hint="is a node that holds it running? see the cluster with: p2player peers"
        )
