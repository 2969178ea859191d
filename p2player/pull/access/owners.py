"""Whose the digests are that this node knows: written down, and told to the cluster when that changes anything."""

import asyncio

from p2player.oci.digest import Digest
from p2player.pull.held.holdings import Holdings
from p2player.store.origins import SEEDED
from p2player.store.store import Store
from p2player.tasks import Tasks


class Owners:
    """The one way in which a digest gets an origin while a node runs."""

    def __init__(self, store: Store, holdings: Holdings) -> None:
        self._store = store
        self._holdings = holdings
        self._tasks = Tasks("owners")

    async def add(self, digest: Digest, repository: str, *, private: bool) -> None:
        """Note that a repository has a digest, held here or not yet. Raises DiskFull: it must not be kept then.

        `private` is to be told before the digest is fetched. That it is not private is to be told of bytes that came
        from there, or were seen to be there: a registry's mere word for it could be anybody's.
        """
        if (repository, private) in self._store.origins(digest):
            return
        changed = await asyncio.to_thread(self._store.add_origin, digest, repository, private)
        held = [blob for other in changed if (blob := self._store.get(other))]
        if not held:
            return
        if all(self._holdings.shares(blob.digest) for blob in held):
            self._tasks.spawn(self._holdings.add(held), f"announce {digest.short}")
        else:
            self._tasks.spawn(self._holdings.drop(held), f"drop {digest.short}")

    async def add_seeded(self, digest: Digest) -> None:
        """Note that another node's user gives digest to all. Without a secret anybody could be that."""
        if self._holdings.shares(digest):
            await self.add(digest, SEEDED, private=False)

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._tasks.close()
