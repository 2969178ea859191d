"""Images and blobs by name, wherever in the cluster they are: what the endpoint and the command line work with."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from p2player.errors import (
    BlobNotFound,
    InvalidManifest,
    NotFound,
    ReferenceNotFound,
    RepositoryNotFound,
    Unavailable,
)
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document, Index, Manifest
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference, Repository
from p2player.pull.blob import RemoteBlob, StoredFile
from p2player.pull.events import BlobProgress, PullResult
from p2player.pull.flight import Parts
from p2player.pull.flights import Flights
from p2player.pull.holders import Claim, Holder
from p2player.pull.holdings import referrers_scope
from p2player.pull.names import Names
from p2player.pull.port import OpenBlob
from p2player.pull.pulling import Pulling
from p2player.pull.why import Explainer, Explanation
from p2player.swarm.metainfo import Metainfo


class Images:
    """The node's `Library`."""

    def __init__(self, parts: Parts, names: Names, flights: Flights) -> None:
        self._parts = parts
        self._store = parts.store
        self._names = names
        self._flights = flights
        self._explainer = Explainer(parts.store, names, parts.discovery, parts.journal)

    async def blob(self, digest: Digest) -> OpenBlob:
        """Return the blob of this digest, from the store or from others. Raises BlobNotFound."""
        if stored := self._stored(digest):
            return stored
        return await self._remote(digest)

    def _stored(self, digest: Digest) -> StoredFile | None:
        if (blob := self._store.get(digest)) is None:
            return None
        return StoredFile(digest, blob.size, self._store.path(digest))

    async def _remote(self, digest: Digest) -> RemoteBlob:
        flight = self._flights.get(digest)
        claims = flight.claims if flight else await self._parts.search.look_twice(digest)
        return RemoteBlob(digest, claims, self._flights, self._store.path(digest))

    async def manifest(self, repository: Repository, target: str | Digest) -> Document:
        """Return what a tag or a digest means in repository. Raises ReferenceNotFound, Unavailable."""
        if isinstance(target, Digest):
            return await self.document(target)
        return await self._tagged(Reference(repository, target))

    async def document(self, digest: Digest) -> Document:
        """Return the manifest or index of this digest. Raises ReferenceNotFound, or InvalidManifest if it is none."""
        if document := self._store.document(digest):
            return document
        try:
            blob = await self.blob(digest)
            if blob.size > MAX_DOCUMENT:
                raise InvalidManifest(f"{digest} has {blob.size} bytes, which is too much for a manifest")
            async for _ in blob.read(0, blob.size):
                pass
        except BlobNotFound as error:
            raise ReferenceNotFound(f"no node has a manifest {digest}", hint=error.hint) from error
        if document := self._store.document(digest):
            return document
        raise InvalidManifest(f"{digest} is a blob, but not a manifest", hint=f"fetch it with: p2player fetch {digest}")

    async def _tagged(self, reference: Reference) -> Document:
        row = await self._names.newest(reference)
        try:
            document = await self.document(row.descriptor.digest)
        except NotFound as error:
            raise ReferenceNotFound(
                f"{reference} is {row.descriptor.digest}, which no node announces", hint=error.hint
            ) from error
        await self._names.keep(row)
        return document

    async def resolve(self, reference: Reference) -> Document:
        """Return what reference means now; its digest decides where it has one. Raises ReferenceNotFound."""
        return await (self.document(reference.digest) if reference.digest else self._tagged(reference))

    async def tags(self, repository: Repository) -> list[str]:
        """Return the tags of repository that anybody publishes. Raises RepositoryNotFound."""
        if tags := await self._names.tags(repository):
            return tags
        raise RepositoryNotFound(f"no node publishes a tag of {repository}")

    async def referrers(self, digest: Digest) -> list[Descriptor]:
        """Return the documents whose subject is digest, those of this node and those that others publish."""
        published = await self._parts.discovery.listing(referrers_scope(digest))
        found = {document.digest: document for document in self._store.referrers(digest)}
        for record in published:
            if record.digest not in found:
                try:
                    document = await self.document(record.digest)
                except (NotFound, Unavailable, InvalidManifest):
                    continue  # its publisher has gone, or was mistaken: the list is what can be had
                if document.content.subject and document.content.subject.digest == digest:
                    found[record.digest] = document
        return [found[key].referrer for key in sorted(found)]

    async def pull(
        self, target: Reference | Digest, platform: Platform | None
    ) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how each blob of target proceeds, for one platform or (None) all of them, and at last the result."""
        if isinstance(target, Reference):
            root = await self.resolve(target)
        else:
            async for progress in Pulling([target], self.blob).follow():
                yield progress
            document = self._store.document(target)
            if document is None:
                yield PullResult(target, None, (), (target,))
                return
            root = document
        manifests = [root] if isinstance(root.content, Manifest) else await self._manifests(root.content, platform)
        blobs = tuple(dict.fromkeys(child.digest for manifest in manifests for child in manifest.children))
        async for progress in Pulling(blobs, self.blob).follow():
            yield progress
        documents = tuple(dict.fromkeys(document.digest for document in (root, *manifests)))
        yield PullResult(root.digest, str(target) if isinstance(target, Reference) else None, documents, blobs)

    async def _manifests(self, index: Index, platform: Platform | None) -> list[Document]:
        if platform is not None:
            return [await self.document(index.choose(platform).digest)]
        found = []
        for descriptor in index.manifests:
            # An index may name platforms that were never brought into the cluster.
            with suppress(ReferenceNotFound):
                found.append(await self.document(descriptor.digest))
        return found

    async def fetch_known(
        self, metainfo: Metainfo, peers: Sequence[tuple[str, int]]
    ) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how one blob proceeds that comes from peers named by hand, whatever the DHT knows of it."""
        digest = metainfo.digest
        claim = Claim(metainfo, tuple(Holder(swarm=peer, complete=True) for peer in peers))

        async def open_known(digest: Digest) -> OpenBlob:
            return self._stored(digest) or RemoteBlob(digest, [claim], self._flights, self._store.path(digest))

        async for progress in Pulling([digest], open_known).follow():
            yield progress
        yield PullResult(digest, None, (), (digest,))

    async def why(self, target: Reference | Digest) -> Explanation:
        """Return what is known about target, and what a pull of it would do now."""
        return await self._explainer.explain(target, time.time())
