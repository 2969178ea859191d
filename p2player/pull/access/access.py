"""Who may have what: the registries decide, this asks them no more often than it must.

A repository that lets in strangers is open to everybody. Of one that has required a login, each client must show its own to
the registry, or by policy this node's. Which digests that concerns is a property of the digest (`store.is_private`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from p2player.counters import Counters
from p2player.errors import (
    AccessDenied,
    BlobNotFound,
    NotAllowed,
    NotFound,
    ReferenceNotFound,
    Unavailable,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.pull.access.admissions import STALE_TTL, Admissions
from p2player.pull.access.owners import Owners
from p2player.pull.fetch.holders import Origin
from p2player.pull.integrity.proof import has_same
from p2player.store.origins import SEEDED
from p2player.store.store import Store
from p2player.tasks import loop_time
from p2player.upstream.port import Asker, Kind, UpstreamBlob, Upstreams
from p2player.upstream.settings import UpstreamSettings

T = TypeVar("T")

_WELL_KNOWN: Final = frozenset({"docker.io", "gcr.io", "ghcr.io", "quay.io", "registry.k8s.io"})
"""Registries that are believed without being configured: they have what they say they have, whoever pushes there."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What a registry answered, to whom, and whether that was only because of who it was."""

    value: T
    asker: Asker
    private: bool


class Access:
    """The doorkeeper of one node."""

    def __init__(self, upstreams: Upstreams, store: Store, owners: Owners, counters: Counters) -> None:
        self.upstreams = upstreams
        self._store = store
        self._owners = owners
        self.counters = counters
        self._admissions = Admissions(store.private_repositories())
        self._bad_until: dict[str, float] = {}
        """Until when this node's own credentials for a registry are left unused."""
        self._locks: WeakValueDictionary[tuple[str, object], asyncio.Lock] = WeakValueDictionary()

    async def ask(self, repository: Repository, asker: Asker, question: Callable[[Asker], Awaitable[T]]) -> Answered[T]:
        """Return what a registry answers to question, asked in whose name it may be; its answer tells who is let in.

        Raises what question does; LoginRequired or AccessDenied only if asker is not let in.
        """
        settings, name, known = self._settings(repository), str(repository), self._admissions
        if known.is_public(name, loop_time()):
            public = self._stranger(settings)
            try:
                return Answered(await question(public), public, private=False)
            except NotAllowed:
                known.doubt(name)  # it has closed, or this node's own credentials are bad
                if public == "node":
                    self._bad_until[repository.registry] = loop_time() + settings.access_ttl
        whom = self._whom(settings, asker)
        if whom != "anonymous" and known.is_private(name):
            return await self._ask_as(whom, repository, question)
        try:
            value = await question("anonymous")
        except (NotAllowed, NotFound) as error:
            if isinstance(error, NotAllowed):
                known.closed(name)
            if whom == "anonymous":
                raise self._refused(error, settings) from error
        else:
            known.opened(name, loop_time())
            return Answered(value, "anonymous", private=False)
        return await self._ask_as(whom, repository, question)

    async def _ask_as(
        self, whom: Asker, repository: Repository, question: Callable[[Asker], Awaitable[T]]
    ) -> Answered[T]:
        name, known = str(repository), self._admissions
        try:
            value = await question(whom)
        except NotAllowed as error:
            known.expel(name, whom)
            raise self._refused(error, self._settings(repository)) from error
        known.closed(name)
        known.admit(name, whom, loop_time())
        return Answered(value, whom, private=True)

    async def admit(self, repository: Repository, target: str | Digest, kind: Kind, asker: Asker) -> Asker:
        """Return in whose name a registry may be asked for target. Raises LoginRequired, AccessDenied, NotFound, Unavailable.

        What only a login opens is noted as private, so this comes before it is fetched.
        """
        if self.upstreams.settings(repository.registry) is None:
            if isinstance(target, Digest) and self._store.is_private(target):
                raise self._no_way(repository, target)
            return "anonymous"
        entered = await self._enter(repository, target, kind, asker)
        if entered.private and isinstance(target, Digest) and not self._belongs(target, repository):
            if not entered.value:
                await self.upstreams.check(repository, target, kind, entered.asker)
            await self._owners.add(target, str(repository), private=True)
        return entered.asker

    async def size(self, origin: Origin, digest: Digest) -> int:
        """Return bytes in what a registry has, if its asker may have it. Raises as `admit` does."""
        whom = await self.admit(origin.repository, digest, origin.kind, origin.asker)
        return await self.upstreams.check(origin.repository, digest, origin.kind, whom)

    @asynccontextmanager
    async def open(
        self, origin: Origin, digest: Digest, start: int, stop: int | None = None
    ) -> AsyncIterator[UpstreamBlob]:
        """Open what a registry has, from byte start on, up to byte stop, if its asker may have it. Raises as `admit` does."""
        whom = await self.admit(origin.repository, digest, origin.kind, origin.asker)
        opening = self.upstreams.open(origin.repository, digest, origin.kind, whom, start=start, stop=stop)
        async with opening as blob:
            yield blob

    async def allow(
        self, digest: Digest, repository: Repository | None, kind: Kind, asker: Asker, *, flagged: bool = False
    ) -> None:
        """Let asker have a digest that is here or, as private if `flagged`, in the cluster; repository is where it was asked for.

        Without a repository it is this machine's admin who asks. Raises LoginRequired, AccessDenied, Unavailable, or
        NotFound if repository does not have it, or may only say so: what asker gets must then come from there.
        """
        origins = self._store.origins(digest)
        if any(not private for _, private in origins) or not (origins or flagged):
            return
        if repository is None:
            if not origins:
                await self._owners.add(digest, SEEDED, private=True)  # and nobody knows whose it is
            return
        settings = self.upstreams.settings(repository.registry)
        if settings is None:
            raise self._no_way(repository, digest)
        entered = await self._enter(repository, digest, kind, asker)
        # The word of a registry of anybody's choice is taken only for what is known from nowhere else.
        registries = {known.partition("/")[0] for known, _ in origins}
        anybodys = settings.public_only and repository.registry not in _WELL_KNOWN
        believed = not anybodys or (registries == {repository.registry} and not flagged)
        if entered.private and believed and self._belongs(digest, repository):
            return
        if not entered.value:
            await self.upstreams.check(repository, digest, kind, entered.asker)
        if not believed and not await has_same(self.upstreams, self._store, repository, digest, kind, entered.asker):
            missing = BlobNotFound if kind == "blobs" else ReferenceNotFound
            raise missing(
                f"{digest} is private elsewhere, and {repository.registry} has not shown that it has it too",
                hint=f"configure {repository.registry} as an upstream, if it is to be believed",
            )
        await self._owners.add(digest, str(repository), private=entered.private)

    async def note_private(self, digest: Digest, repository: Repository) -> None:
        """Note that only a login gets digest from a repository; so it comes before it is fetched."""
        await self._owners.add(digest, str(repository), private=True)

    async def note_public(self, digest: Digest, repository: Repository) -> None:
        """Note that a repository gave digest, which has come, to a stranger; what is private till now must be shown first."""
        if not self._store.is_private(digest):
            await self._owners.add(digest, str(repository), private=False)

    async def note_seeded(self, digest: Digest) -> None:
        """Note that a member of the cluster seeds digest, for all to have."""
        await self._owners.add_seeded(digest)

    def is_private(self, repository: Repository) -> bool:
        """Tell whether a repository has ever required a login."""
        return self._admissions.is_private(str(repository))

    def let_in(self, repository: Repository, asker: Asker) -> bool:
        """Tell whether asker may have what is known of a repository whose registry cannot be asked now."""
        settings = self.upstreams.settings(repository.registry)
        if not self.is_private(repository):
            return True
        if settings is None or not settings.stale_access:
            return False
        return self._admissions.admitted(str(repository), self._whom(settings, asker), loop_time(), STALE_TTL)

    async def _enter(self, repository: Repository, target: str | Digest, kind: Kind, asker: Asker) -> Answered[bool]:
        """Return who asker is to a repository; `value` tells whether the registry was asked for target just now."""
        settings, name = self._settings(repository), str(repository)
        whom = self._whom(settings, asker)
        lock = self._locks.setdefault((name, whom), asyncio.Lock())
        async with lock:
            if self._admissions.is_public(name, loop_time()):
                return Answered(False, self._stranger(settings), private=False)
            if self._admissions.admitted(name, whom, loop_time(), settings.access_ttl):
                return Answered(False, whom, private=True)
            try:
                answered = await self.ask(
                    repository, asker, lambda who: self.upstreams.check(repository, target, kind, who)
                )
            except Unavailable:
                if self._admissions.is_private(name) and self.let_in(repository, asker):
                    self.counters.count("access.stale")
                    return Answered(False, whom, private=True)
                raise
        return Answered(True, answered.asker, answered.private)

    def _settings(self, repository: Repository) -> UpstreamSettings:
        if (settings := self.upstreams.settings(repository.registry)) is None:
            raise UpstreamUnreachable(
                f"{repository.registry} is no upstream of this node",
                hint=f"configure it: p2player serve --upstream {repository.registry}=URL",
            )
        return settings

    def _whom(self, settings: UpstreamSettings, asker: Asker) -> Asker:
        """Return whose credentials decide for asker."""
        if settings.login == "client" and asker != "node":
            return asker
        return "node" if self.upstreams.has_credentials(settings.registry) else "anonymous"

    def _stranger(self, settings: UpstreamSettings) -> Asker:
        """Return in whose name to ask for what is open to everybody: who has an account may often ask more."""
        usable = loop_time() >= self._bad_until.get(settings.registry, 0.0)
        return "node" if usable and self.upstreams.has_credentials(settings.registry) else "anonymous"

    def _belongs(self, digest: Digest, repository: Repository) -> bool:
        return any(known == str(repository) for known, _ in self._store.origins(digest))

    def _refused(self, error: NotAllowed | NotFound, settings: UpstreamSettings) -> NotAllowed | NotFound:
        if isinstance(error, NotFound):
            return error
        self.counters.count("access.refused")
        if settings.login == "client":
            return error
        # A client cannot do better: not its credentials were asked for.
        return AccessDenied(
            f"{error.message}: this node's own login is not good for it",
            hint=f"log in on this machine as the user p2player runs as: docker login {settings.registry}",
        )

    def _no_way(self, repository: Repository, digest: Digest) -> AccessDenied:
        self.counters.count("access.refused")
        return AccessDenied(
            f"{digest} is private, and there is nobody to ask who may have it in {repository}",
            hint=f"configure the registry: p2player serve --upstream {repository.registry}=URL",
        )
