"""Registries in memory: the twin of the real client, for tests of what stands above it.

A `MemoryRegistry` is what lies outside the cluster and what goes wrong there; each node asks it through `MemoryUpstreams` of its
own. Time passes only in `asyncio.sleep`, so that all of it runs on a loop with virtual time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from p2player.counters import Counters
from p2player.errors import (
    AccessDenied,
    BlobNotFound,
    LoginRequired,
    NotFound,
    RateLimited,
    ReferenceNotFound,
    RepositoryNotFound,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.reference import Repository
from p2player.upstream.port import Asker, Kind, Login, UpstreamBlob
from p2player.upstream.settings import UpstreamSettings

PATIENCE: Final = 10.0
"""Seconds after which a registry that says nothing is given up."""
_CHUNK = 64 * 1024


@dataclass
class _Content:
    """What one repository holds, and whom it lets in: everybody while `logins` is None."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    documents: dict[Digest, Document] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    logins: frozenset[Login] | None = None

    def holding(self, kind: Kind) -> Mapping[Digest, bytes]:
        """Return the bytes of all it has of a kind."""
        return self.blobs if kind == "blobs" else {digest: found.raw for digest, found in self.documents.items()}


class MemoryRegistry:
    """All registries of a test: what was put in by hand, what is wrong with it, and what was asked of it."""

    def __init__(self) -> None:
        self._content: dict[Repository, _Content] = {}
        self.faults: dict[str, Literal["down", "hang", "rate limited"]] = {}
        """What is wrong with a whole registry, by its name."""
        self.broken: dict[Digest, int] = {}
        """At which byte every stream of a digest breaks off."""
        self.stalled: dict[Digest, int] = {}
        """At which byte every stream of a digest stops and says no more."""
        self.wrong: dict[Digest, bytes] = {}
        """Other bytes that are sent for a digest, as a rule as many."""
        self.latency = 0.0
        """Seconds until a request is answered."""
        self.rate: float | None = None
        """Bytes a second of each stream; None is all at once."""
        self.requests: Counter[str] = Counter()
        """How often a tag or digest was asked for, HEAD and GET together."""
        self.opened: Counter[Digest] = Counter()
        """How often a digest was opened (GET)."""
        self.sent: Counter[Digest] = Counter()
        """Bytes sent of a digest."""
        self.askers: list[Asker] = []
        """In whose name each request came, in order."""

    def put(self, repository: Repository, *blobs: bytes) -> list[Digest]:
        """Return the digests of blobs that repository has from now on."""
        content = self.content(repository)
        digests = [Digest.of(blob) for blob in blobs]
        content.blobs.update(zip(digests, blobs, strict=True))
        return digests

    def put_document(self, repository: Repository, document: Document, *tags: str) -> Digest:
        """Return the digest of a manifest or index that repository has from now on, under these tags."""
        content = self.content(repository)
        content.documents[document.digest] = document
        content.tags.update(dict.fromkeys(tags, document.digest))
        return document.digest

    def remove(self, repository: Repository, target: str | Digest) -> None:
        """Forget a tag or a digest of repository."""
        content = self.content(repository)
        if isinstance(target, str):
            content.tags.pop(target, None)
        else:
            content.blobs.pop(target, None)
            content.documents.pop(target, None)

    def make_private(self, repository: Repository, *logins: Login) -> None:
        """Let only these in from now on."""
        self.content(repository).logins = frozenset(logins)

    def make_public(self, repository: Repository) -> None:
        """Let everybody in from now on."""
        self.content(repository).logins = None

    def content(self, repository: Repository) -> _Content:
        """Return what a repository holds; it exists from now on."""
        return self._content.setdefault(repository, _Content())

    def find(self, repository: Repository) -> _Content | None:
        """Return what a repository holds, or None if there is none."""
        return self._content.get(repository)

    def knows(self, registry: str, login: Login) -> bool:
        """Tell whether a login is good for anything in a registry."""
        return any(
            login in (content.logins or ()) for place, content in self._content.items() if place.registry == registry
        )


class MemoryUpstreams:
    """The `Upstreams` of one node. `credentials` are the node's own, by the name of the registry."""

    def __init__(
        self,
        registry: MemoryRegistry,
        *settings: UpstreamSettings,
        credentials: Mapping[str, Login] | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._registry = registry
        self._settings = {one.registry: one for one in settings}
        self._credentials = dict(credentials or {})
        self._counters = counters or Counters()

    def settings(self, registry: str) -> UpstreamSettings | None:
        """Return how a registry is asked, or None if this node may not ask it at all."""
        return self._settings.get(registry)

    def has_credentials(self, registry: str) -> bool:
        """Tell whether this node has credentials of its own for a registry."""
        return registry in self._credentials

    async def resolve(self, repository: Repository, tag: str, asker: Asker, known: Digest | None = None) -> Descriptor:
        """Return what a tag means upstream now. Raises ReferenceNotFound."""
        content = await self._enter(repository, tag, asker)
        if content is None or tag not in content.tags:
            raise ReferenceNotFound(f"{repository.registry} has no {repository}:{tag}")
        return content.documents[content.tags[tag]].descriptor

    async def check(self, repository: Repository, target: str | Digest, kind: Kind, asker: Asker) -> int:
        """Return the size in bytes of what repository has under target, if asker may have it."""
        return len(self._get(await self._enter(repository, target, asker), repository, target, kind))

    @asynccontextmanager
    async def open(
        self,
        repository: Repository,
        digest: Digest,
        kind: Kind,
        asker: Asker,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> AsyncIterator[UpstreamBlob]:
        """Open a blob or manifest at byte start, up to byte stop."""
        data = self._get(await self._enter(repository, digest, asker), repository, digest, kind)
        self._registry.opened[digest] += 1
        chunks = self._stream(repository, digest, self._registry.wrong.get(digest, data)[:stop], start)
        try:
            yield UpstreamBlob(len(data), chunks)
        finally:
            await chunks.aclose()

    async def tags(self, repository: Repository, asker: Asker) -> list[str]:
        """Return all tags of repository. Raises RepositoryNotFound."""
        content = await self._enter(repository, "tags", asker)
        if content is None:
            raise RepositoryNotFound(f"{repository.registry} has no {repository}")
        return sorted(content.tags)

    async def referrers(self, repository: Repository, digest: Digest, asker: Asker) -> list[Descriptor]:
        """Return what repository has about digest."""
        content = await self._enter(repository, "referrers", asker)
        documents = content.documents.values() if content else ()
        return [
            found.referrer for found in documents if found.content.subject and found.content.subject.digest == digest
        ]

    async def close(self) -> None:
        """Close nothing: there are no connections."""

    async def _enter(self, repository: Repository, target: str | Digest, asker: Asker) -> _Content | None:
        """Return what repository holds if it can be asked and lets asker in."""
        registry = self._registry
        if repository.registry not in self._settings:
            raise UpstreamUnreachable(f"{repository.registry} is no upstream of this node")
        registry.requests[str(target)] += 1
        registry.askers.append(asker)
        await asyncio.sleep(registry.latency)
        match registry.faults.get(repository.registry):
            case "down":
                raise UpstreamUnreachable(f"{repository.registry} does not answer")
            case "hang":
                await asyncio.sleep(PATIENCE)
                raise UpstreamUnreachable(f"{repository.registry} did not answer within {PATIENCE:.0f} s")
            case "rate limited":
                raise RateLimited(f"{repository.registry} wants to be asked later")
        self._admit(repository, asker)
        return registry.find(repository)

    def _admit(self, repository: Repository, asker: Asker) -> None:
        login = self._credentials.get(repository.registry) if asker == "node" else asker
        content = self._registry.find(repository)
        if not isinstance(login, Login):
            login = None
        known = login is not None and self._registry.knows(repository.registry, login)
        if (login is None or known) and (content is None or content.logins is None):
            return
        if login is None or not known:
            challenge = f'Basic realm="{repository.registry}"'
            raise LoginRequired(f"{repository.registry} wants a login for {repository}", challenge=challenge)
        if content is not None and login not in (content.logins or ()):
            raise AccessDenied(f"{repository.registry} does not give {repository} to this login")

    def _get(self, content: _Content | None, repository: Repository, target: str | Digest, kind: Kind) -> bytes:
        missing: type[NotFound] = BlobNotFound if kind == "blobs" else ReferenceNotFound
        if content is not None:
            digest = content.tags.get(target) if isinstance(target, str) else target
            if digest is not None and (data := content.holding(kind).get(digest)) is not None:
                return data
        raise missing(f"{repository.registry} has no {target} in {repository}")

    async def _stream(
        self, repository: Repository, digest: Digest, data: bytes, start: int
    ) -> AsyncGenerator[bytes, None]:
        registry = self._registry
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(start, len(data), _CHUNK):
            chunk = data[at : at + _CHUNK]
            # What is not asked for at once comes in all the same.
            due = due + len(chunk) / registry.rate if registry.rate else loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            # looked at for each chunk, so that a test can break what is under way
            ends = min(registry.broken.get(digest, len(data)), registry.stalled.get(digest, len(data)))
            if repository.registry in registry.faults:
                ends = at
            if chunk := chunk[: max(ends - at, 0)]:
                registry.sent[digest] += len(chunk)
                self._counters.add_bytes("upstream", len(chunk))
                yield chunk
            if ends < min(at + _CHUNK, len(data)):
                await asyncio.sleep(PATIENCE if digest in registry.stalled else 0)
                raise UpstreamUnreachable(f"{repository.registry} stopped sending {digest}")
