"""What tags mean: what their registry says, or else the newest signed meaning that this node or any other knows.

A registry is asked once a `tag_ttl`, and what it says counts more than any record. While it cannot be asked, the newest known
meaning holds, and is told to be stale. What it does not have, or does not show to whoever asks, may still have been seeded.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

from p2player.dht.discovery import Discovery
from p2player.errors import NotAllowed, NotFound, ReferenceNotFound, Unavailable, UpstreamUnreachable
from p2player.oci.manifest import Descriptor
from p2player.oci.reference import Reference, Repository
from p2player.peer.identity import NodeId
from p2player.pull.access.access import Access
from p2player.pull.fetch.search import patiently
from p2player.pull.held.holdings import Holdings, row_of
from p2player.pull.naming.beliefs import Beliefs
from p2player.pull.naming.meaning import Meaning, is_upstream, newest, newest_seeded
from p2player.store.rows import NameRow
from p2player.store.store import Store
from p2player.tasks import Tasks, loop_time
from p2player.upstream.port import Asker
from p2player.upstream.settings import UpstreamSettings

RESIGN_AFTER: Final = 30 * 60.0
"""Seconds after which a meaning that the registry confirms is signed anew."""
_FAILURE_KEPT: Final = 5.0
_PATIENCE: Final = 3.0
"""Seconds that a registry is waited for if there is another answer to give."""
_PAUSES: Final = (0.3, 0.6, 1.2)
"""Seconds before each further look for a name that no registry can tell."""
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a registry said last of a tag, or why it said nothing since, and until when (loop time) it is not asked again."""

    said: Meaning | None
    failure: NotFound | Unavailable | None
    asker: Asker
    until: float

    def holds_for(self, asker: Asker) -> bool:
        """Tell whether asker need not ask again. What one may not see (404) another may."""
        return loop_time() < self.until and (asker == self.asker or not isinstance(self.failure, NotFound))


class Names:
    """The one namespace of cluster and registries, seen from here."""

    def __init__(
        self,
        store: Store,
        discovery: Discovery,
        holdings: Holdings,
        access: Access,
        beliefs: Beliefs,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._discovery = discovery
        self._holdings = holdings
        self._access = access
        self._beliefs = beliefs
        self._now = now
        self._heard: OrderedDict[Reference, _Heard] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[Reference, Asker], asyncio.Lock] = WeakValueDictionary()
        self._tasks = Tasks("names")

    async def newest(self, reference: Reference, asker: Asker = "anonymous") -> Meaning:
        """Return what the tag of reference means now. Raises ReferenceNotFound, NotAllowed, Unavailable."""
        settings = self._access.upstreams.settings(reference.repository.registry)
        if settings is None:
            if (row := newest(await self._rows_patiently(reference))) is None:
                raise self._unknown(reference)
            return Meaning.of(row)
        async with self._locks.setdefault((reference, asker), asyncio.Lock()):
            heard = self._heard.get(reference)
            if heard is None or not heard.holds_for(asker):
                return await self._ask(reference, asker, settings)
        match heard.failure:
            case NotFound() as error:
                return await self._seeded(reference, error)
            case Unavailable() as error:
                return await self._stale(reference, asker, settings, error)
        await self._admit(reference, asker)
        return heard.said or await self._ask(reference, asker, settings)

    async def keep(self, meaning: Meaning) -> None:
        """Keep a name whose manifest is here now, and help to keep it alive in the cluster."""
        row = meaning.row
        kept = self._store.name(row.scope, row.name)
        if kept != row:
            if kept and not self._beliefs.among([kept]):
                # It may be dated later, and must not keep out what is believed.
                await asyncio.to_thread(self._store.remove_name, row.scope, row.name)
            await asyncio.to_thread(self._store.set_name, row)
            self._tasks.spawn(self._holdings.republish(row), row.reference)
        if is_upstream(row) and not meaning.private and meaning.stale_for is None:
            await self._access.note_public(row.descriptor.digest, Repository.parse(row.scope))

    async def tags(self, repository: Repository, asker: Asker = "anonymous") -> list[str]:
        """Return every tag of repository that its registry lists or that was seeded, sorted.

        While the registry cannot be asked, those are all that are published, here or anywhere else.
        """
        scope = str(repository)
        rows = [row_of(record) for record in await self._discovery.listing(scope)]
        rows += self._beliefs.among(row for row in self._store.names() if row.scope == scope)
        if self._access.upstreams.settings(repository.registry) is None:
            return sorted({row.name for row in rows})
        seeded = {row.name for row in rows if not is_upstream(row)}
        upstreams = self._access.upstreams
        try:
            answered = await self._access.ask(repository, asker, lambda who: upstreams.tags(repository, who))
        except Unavailable:
            if self._access.let_in(repository, asker):
                return sorted({row.name for row in rows})
            raise
        except (NotAllowed, NotFound):
            if seeded:
                return sorted(seeded)
            raise
        return sorted(seeded.union(answered.value))

    async def republish(self) -> None:
        """Share the names that are kept here, those that are believed still."""
        for row in self._beliefs.among(self._store.names()):
            await self._holdings.republish(row)

    def not_believed(self, reference: Reference) -> tuple[NodeId, ...]:
        """Return the nodes that published the tag of reference lately and may not."""
        return self._beliefs.refused(str(reference.repository), reference.tag or "")

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._tasks.close()

    async def _ask(self, reference: Reference, asker: Asker, settings: UpstreamSettings) -> Meaning:
        repository, tag = reference.repository, reference.tag or ""
        upstreams, here = self._access.upstreams, self._here(reference)
        known = here.descriptor.digest if here else None
        looking = self._tasks.spawn(self._discovery.resolve(str(repository), tag), f"resolve {reference}")
        asking = self._tasks.spawn(
            self._access.ask(repository, asker, lambda who: upstreams.resolve(repository, tag, who, known)),
            f"ask for {reference}",
        )
        try:
            await asyncio.wait({looking, asking}, return_when=asyncio.FIRST_COMPLETED)
            record = looking.result() if looking.done() else None
            rows = [row for row in (here, row_of(record) if record else None) if row]
            if not asking.done():
                has_other = any(settings.stale or not is_upstream(row) for row in rows)
                await asyncio.wait({asking}, timeout=_PATIENCE if has_other else None)
            if not asking.done():
                raise _slow(reference)
            answered = asking.result()
        except NotFound as error:
            self._hear(reference, asker, error, _FAILURE_KEPT)
            return await self._seeded(reference, error)
        except NotAllowed as error:
            return await self._seeded(reference, error)
        except Unavailable as error:
            self._hear(reference, asker, error, _FAILURE_KEPT)
            return await self._stale(reference, asker, settings, error)
        else:
            row = self._confirmed(reference, answered.value, rows)
            meaning = Meaning(row, confirmed=self._now(), private=answered.private)
            if meaning.private:
                await self._access.note_private(row.descriptor.digest, repository)
            self._access.counters.count("tags.confirmed")
            self._hear(reference, asker, meaning, settings.tag_ttl)
            return meaning
        finally:
            looking.cancel()
            asking.cancel()

    def _confirmed(self, reference: Reference, descriptor: Descriptor, rows: Sequence[NameRow]) -> NameRow:
        """Return the newest row if it says this already and was signed lately, or one signed now."""
        row = newest(rows)
        if (
            row is not None
            and row.descriptor.digest == descriptor.digest
            and is_upstream(row)
            and self._now() - row.issued / 1000 < RESIGN_AFTER
        ):
            return row
        return self._holdings.name_row(reference, descriptor, upstream=True)

    async def _admit(self, reference: Reference, asker: Asker) -> None:
        try:
            await self._access.admit(reference.repository, reference.tag or "", "manifests", asker)
        except Unavailable:
            if not self._access.let_in(reference.repository, asker):
                raise

    async def _seeded(self, reference: Reference, error: NotFound | NotAllowed | Unavailable) -> Meaning:
        """Return what was seeded under a name that its registry does not have, does not show or does not speak of."""
        if (row := newest_seeded(await self._rows(reference))) is not None:
            await self._access.note_seeded(row.descriptor.digest)
            return Meaning(row)
        if isinstance(error, NotFound):
            raise self._unknown(reference) from error
        raise error

    async def _stale(
        self, reference: Reference, asker: Asker, settings: UpstreamSettings, error: Unavailable
    ) -> Meaning:
        """Return the newest known meaning of a name whose registry cannot be asked."""
        heard = self._heard.get(reference)
        said = heard.said if heard else None
        known = [said.row] if said else []
        row = newest([*known, *await (self._rows(reference) if known else self._rows_patiently(reference))])
        if (
            row is None
            or not is_upstream(row)
            or not settings.stale
            or not self._access.let_in(reference.repository, asker)
        ):
            return await self._seeded(reference, error)
        meaning = Meaning.of(row)
        if said and said.row.descriptor.digest == row.descriptor.digest:
            meaning = replace(meaning, confirmed=max(said.confirmed or 0, meaning.confirmed or 0))
        if self._access.is_private(reference.repository):
            await self._access.note_private(row.descriptor.digest, reference.repository)
            meaning = replace(meaning, private=True)
        self._access.counters.count("tags.stale")
        return replace(meaning, stale_for=max(0.0, self._now() - (meaning.confirmed or 0)))

    async def _rows(self, reference: Reference) -> list[NameRow]:
        """Return what is known of a tag here and anywhere else."""
        record = await self._discovery.resolve(str(reference.repository), reference.tag or "")
        return [row for row in (self._here(reference), row_of(record) if record else None) if row]

    async def _rows_patiently(self, reference: Reference) -> list[NameRow]:
        """Return the same, where there is no registry to ask: the nodes of a crowd may all be too busy to answer at once."""
        return await patiently(lambda: self._rows(reference), _PAUSES)

    def _here(self, reference: Reference) -> NameRow | None:
        """Return what is kept here of a tag, if it is still believed."""
        row = self._store.name(str(reference.repository), reference.tag or "")
        return newest(self._beliefs.among([row])) if row else None

    def _hear(self, reference: Reference, asker: Asker, what: Meaning | NotFound | Unavailable, seconds: float) -> None:
        """Remember what a registry said just now, for so many seconds; a failure leaves what it said last."""
        last = self._heard.pop(reference, None)
        until = loop_time() + seconds
        if isinstance(what, Meaning):
            self._heard[reference] = _Heard(what, None, asker, until)
        else:
            self._heard[reference] = _Heard(last.said if last else None, what, asker, until)
        if len(self._heard) > _KEPT:
            self._heard.popitem(last=False)

    def _unknown(self, reference: Reference) -> ReferenceNotFound:
        hint = f"seed it on a node that has it: p2player seed … --as {reference}"
        if refused := self.not_believed(reference):
            if all(node.raw in self._store.bans() for node in refused):
                return ReferenceNotFound(
                    f"only banned nodes publish {reference} ({_listed(refused)})",
                    hint="what they did is told by: p2player peers",
                )
            return ReferenceNotFound(
                f"none of its publishers publishes {reference}, and who else does ({_listed(refused)}) is not believed",
                hint=f"add that node to [[publishers]] if it is one, or {hint}",
            )
        return ReferenceNotFound(f"no node publishes {reference}", hint=hint)


def _listed(nodes: Sequence[NodeId]) -> str:
    return ", ".join(node.short for node in nodes)


def _slow(reference: Reference) -> UpstreamUnreachable:
    return UpstreamUnreachable(
        f"{reference.repository.registry} takes too long to say what {reference} is", hint="try again later"
    )
