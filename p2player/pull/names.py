"""What tags mean: the newest signed meaning that this node or any other knows."""

import asyncio

from p2player.dht.discovery import Discovery
from p2player.errors import ReferenceNotFound
from p2player.oci.reference import Reference, Repository
from p2player.pull.holdings import Holdings, row_of
from p2player.store.rows import NameRow
from p2player.store.store import Store
from p2player.tasks import Tasks


class Names:
    """The cluster's one namespace, seen from here."""

    def __init__(self, store: Store, discovery: Discovery, holdings: Holdings) -> None:
        self._store = store
        self._discovery = discovery
        self._holdings = holdings
        self._tasks = Tasks("names")

    async def newest(self, reference: Reference) -> NameRow:
        """Return what the tag of reference means now, here or anywhere else. Raises ReferenceNotFound."""
        scope, tag = str(reference.repository), reference.tag or ""
        here = self._store.name(scope, tag)
        record = await self._discovery.resolve(scope, tag)
        known = [row for row in (here, row_of(record) if record else None) if row]
        if not known:
            raise ReferenceNotFound(
                f"no node publishes {reference}",
                hint=f"seed it on a node that has it: p2player seed … --as {reference}",
            )
        return max(known, key=lambda row: row.issued)

    async def keep(self, row: NameRow) -> None:
        """Keep a name whose manifest is here now, and help to keep it alive in the cluster."""
        if self._store.name(row.scope, row.name) != row:
            await asyncio.to_thread(self._store.set_name, row)
            self._tasks.spawn(self._holdings.republish(row), row.reference)

    async def tags(self, repository: Repository) -> list[str]:
        """Return every tag of repository that is published, here or anywhere else, sorted."""
        scope = str(repository)
        published = {record.name for record in await self._discovery.listing(scope)}
        return sorted(published | {row.name for row in self._store.names() if row.scope == scope})

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._tasks.close()
