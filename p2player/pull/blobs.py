"""Opening blobs and manifests by digest, wherever they are: here, in the cluster, or in the registry they were asked for in."""

from contextlib import suppress

from p2player.errors import BlobNotFound, InvalidManifest, NotAllowed, NotFound, ReferenceNotFound, Unavailable
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Document
from p2player.oci.reference import Repository
from p2player.pull.blob import RemoteBlob, StoredFile
from p2player.pull.fetch.flights import Flights
from p2player.pull.fetch.holders import Lead, Origin, Sighting
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.pull.parts import Parts
from p2player.pull.port import OpenBlob
from p2player.upstream.port import Asker, Kind

_NAMED_KEPT = 10_000


class Blobs:
    """All that can be opened by digest. `repository` is where it is asked for, None if that is not known."""

    def __init__(self, parts: Parts, flights: Flights) -> None:
        self._parts = parts
        self._store = parts.store
        self._flights = flights
        # By the tags and manifests served lately, and how many bytes it has: what a runtime asks for next, it has read there.
        self._named: dict[tuple[Repository | None, Digest], int | None] = {}

    async def open(self, digest: Digest, repository: Repository | None, asker: Asker, kind: Kind = "blobs") -> OpenBlob:
        """Return the blob of this digest, if asker may have it. To open it moves no byte.

        Raises BlobNotFound, LoginRequired, AccessDenied, Unavailable.
        """
        if (stored := self.stored(digest)) is not None:
            await self._parts.access.allow(digest, repository, kind, asker)
            return stored
        return await self._remote(digest, repository, asker, kind)

    def stored(self, digest: Digest) -> StoredFile | None:
        """Return the blob if it is in the store, or None."""
        if (blob := self._store.get(digest)) is None:
            return None
        self._parts.scrub.served(blob)
        return StoredFile(digest, blob.size, self._store.path(digest))

    def remote(self, lead: Lead) -> RemoteBlob:
        """Return a blob that is not here, which is fetched by this lead when it is read."""
        return RemoteBlob(lead, self._flights, self._store.path(lead.digest))

    def named(self, digest: Digest, repository: Repository | None, size: int | None) -> None:
        """Take note that somebody has, or had, a digest, and how many bytes it has, if that is sure.

        It is looked for longer then where it cannot come from a registry.
        """
        self._named[repository, digest] = size or self._named.get((repository, digest))
        while len(self._named) > _NAMED_KEPT:
            del self._named[next(iter(self._named))]

    async def document(self, digest: Digest, repository: Repository | None, asker: Asker) -> Document:
        """Return the manifest or index of this digest. Raises ReferenceNotFound, or InvalidManifest if it is none."""
        if (document := self._store.document(digest)) is not None:
            await self._parts.access.allow(digest, repository, "manifests", asker)
        else:
            document = await self._fetch_document(digest, repository, asker)
        for child in document.children:
            self.named(child.digest, repository, child.size)
        return document

    async def _fetch_document(self, digest: Digest, repository: Repository | None, asker: Asker) -> Document:
        try:
            blob = await self.open(digest, repository, asker, "manifests")
            if blob.size > MAX_DOCUMENT:
                raise InvalidManifest(f"{digest} has {blob.size} bytes, which is too much for a manifest")
            if isinstance(blob, RemoteBlob):
                with blob.join() as flight:
                    await flight.landed()
        except BlobNotFound as error:
            raise ReferenceNotFound(f"no node has a manifest {digest}", hint=error.hint) from error
        if document := self._store.document(digest):
            return document
        raise InvalidManifest(f"{digest} is a blob, but not a manifest", hint=f"fetch it with: p2player fetch {digest}")

    async def _remote(self, digest: Digest, repository: Repository | None, asker: Asker, kind: Kind) -> RemoteBlob:
        access = self._parts.access
        if (flight := self._flights.get(digest)) is not None:
            await access.allow(digest, repository, kind, asker, flagged=flight.lead.sighting.is_private)
            return self.remote(flight.lead)
        search, is_named = self._parts.search, (repository, digest) in self._named
        if self._origin(repository, kind, asker) is None:
            sighting = await search.look_again(digest, is_named=is_named)
        else:
            sighting = await search.look(digest, LIKELY_ENOUGH)
        try:
            return self.remote(await self._lead(digest, repository, kind, asker, sighting))
        except Unavailable:
            if sighting:
                raise
            # There is nobody else to ask, so one empty answer does not do: those who have it may have been too busy.
            with suppress(BlobNotFound):
                sighting = await search.look_again(digest, is_named=is_named)
            if not sighting:
                raise
        return self.remote(await self._lead(digest, repository, kind, asker, sighting))

    async def _lead(
        self, digest: Digest, repository: Repository | None, kind: Kind, asker: Asker, sighting: Sighting
    ) -> Lead:
        """Return what a fetch begins with, if asker may have it. Asks the registry what nobody else tells.

        Raises Unavailable if it does not answer either.
        """
        access, origin = self._parts.access, self._origin(repository, kind, asker)
        if sighting:
            await access.allow(digest, repository, kind, asker, flagged=sighting.is_private)
        known_size = self._named.get((repository, digest))
        size = sighting.size_by(known_size)
        is_told = size == known_size if known_size is not None else bool(sighting.claims)
        if origin is not None and not is_told:
            # What nodes say that only fetch it, or other than the manifest, counts if the registry says nothing.
            try:
                size = known_size = await access.size(origin, digest)
            except (Unavailable, NotFound, NotAllowed):
                if size is None:
                    raise
        elif origin is not None and not sighting:
            await access.admit(origin.repository, digest, kind, asker)
        if size is None:
            raise BlobNotFound(f"nobody knows how large {digest} is", hint="try again once somebody has all of it")
        return Lead(digest, size, sighting, origin, known_size)

    def _origin(self, repository: Repository | None, kind: Kind, asker: Asker) -> Origin | None:
        if repository is None or self._parts.access.upstreams.settings(repository.registry) is None:
            return None
        return Origin(repository, kind, asker)
