"""Images and blobs by name, wherever in the cluster they are: what the endpoint and the command line work with."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from p2player.errors import (
    InvalidManifest,
    NotAllowed,
    NotFound,
    ReferenceNotFound,
    RepositoryNotFound,
    Unavailable,
)
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document, Index, Manifest
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference, Repository
from p2player.pull.blobs import Blobs
from p2player.pull.events import BlobProgress, PullResult
from p2player.pull.fetch.flights import Flights
from p2player.pull.fetch.holders import Claim, Holder, Lead, Sighting
from p2player.pull.held.holdings import referrers_scope
from p2player.pull.naming.meaning import is_upstream
from p2player.pull.naming.names import Names
from p2player.pull.parts import Parts
from p2player.pull.port import FoundManifest, OpenBlob
from p2player.pull.pulling import Pulling
from p2player.pull.why import Explainer, Explanation
from p2player.swarm.metainfo import Metainfo
from p2player.upstream.port import Asker


class Images:
    """The node's `Library`."""

    def __init__(self, parts: Parts, names: Names, flights: Flights) -> None:
        self._parts = parts
        self._store = parts.store
        self._names = names
        self._blobs = Blobs(parts, flights)
        self._explainer = Explainer(parts.store, names, parts.discovery, parts.journal, parts.access)

    async def blob(self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous") -> OpenBlob:
        """Return the blob of this digest, from the store, from others or from its registry. Raises BlobNotFound."""
        return await self._blobs.open(digest, repository, asker)

    async def manifest(self, repository: Repository, target: str | Digest, asker: Asker = "anonymous") -> FoundManifest:
        """Return what a tag or a digest means in repository. Raises ReferenceNotFound, Unavailable."""
        if isinstance(target, Digest):
            return FoundManifest(await self._blobs.document(target, repository, asker))
        return await self._tagged(Reference(repository, target), asker)

    async def document(self, digest: Digest) -> Document:
        """Return the manifest or index of this digest. Raises ReferenceNotFound, or InvalidManifest if it is none."""
        return await self._blobs.document(digest, None, "node")

    async def _tagged(self, reference: Reference, asker: Asker) -> FoundManifest:
        meaning = await self._names.newest(reference, asker)
        row = meaning.row
        size = row.descriptor.size if is_upstream(row) and meaning.stale_for is None else None
        self._blobs.named(row.descriptor.digest, reference.repository, size)
        try:
            document = await self._blobs.document(row.descriptor.digest, reference.repository, asker)
        except NotFound as error:
            raise ReferenceNotFound(
                f"{reference} is {row.descriptor.digest}, which no node announces", hint=error.hint
            ) from error
        await self._names.keep(meaning)
        return FoundManifest(document, meaning.stale_for)

    async def resolve(self, reference: Reference) -> Document:
        """Return what reference means now; its digest decides where it has one. Raises ReferenceNotFound."""
        if reference.digest:
            return await self._blobs.document(reference.digest, reference.repository, "node")
        return (await self._tagged(reference, "node")).document

    async def tags(self, repository: Repository, asker: Asker = "anonymous") -> list[str]:
        """Return the tags of repository that anybody publishes. Raises RepositoryNotFound."""
        if tags := await self._names.tags(repository, asker):
            return tags
        raise RepositoryNotFound(f"no node publishes a tag of {repository}")

    async def referrers(
        self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous"
    ) -> list[Descriptor]:
        """Return the documents whose subject is digest, here, in the cluster and at its registry, that asker may have."""
        found = {one.digest: one for one in await self._referrers_upstream(digest, repository, asker)}
        published = await self._parts.discovery.listing(referrers_scope(digest))
        known = {document.digest for document in self._store.referrers(digest)}
        for referrer in known.union(record.digest for record in published) - found.keys():
            try:
                document = await self._blobs.document(referrer, repository, asker)
            except (NotFound, NotAllowed, Unavailable, InvalidManifest):
                continue  # its publisher has gone, or was mistaken: the list is what can be had
            if document.content.subject and document.content.subject.digest == digest:
                found[referrer] = document.referrer
        return [found[referrer] for referrer in sorted(found)]

    async def _referrers_upstream(
        self, digest: Digest, repository: Repository | None, asker: Asker
    ) -> list[Descriptor]:
        access = self._parts.access
        if repository is None or access.upstreams.settings(repository.registry) is None:
            return []
        try:
            answered = await access.ask(
                repository, asker, lambda who: access.upstreams.referrers(repository, digest, who)
            )
        except (NotFound, NotAllowed, Unavailable):
            return []
        return answered.value

    async def pull(
        self, target: Reference | Digest, platform: Platform | None
    ) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how each blob of target proceeds, for one platform or (None) all of them, and at last the result."""
        repository = target.repository if isinstance(target, Reference) else None

        async def open_blob(digest: Digest) -> OpenBlob:
            return await self._blobs.open(digest, repository, "node")

        if isinstance(target, Reference):
            root = await self.resolve(target)
        else:
            async for progress in Pulling([target], open_blob).follow():
                yield progress
            document = self._store.document(target)
            if document is None:
                yield PullResult(target, None, (), (target,))
                return
            root = document
        manifests = (
            [root] if isinstance(root.content, Manifest) else await self._manifests(root.content, repository, platform)
        )
        blobs = tuple(dict.fromkeys(child.digest for manifest in manifests for child in manifest.children))
        async for progress in Pulling(blobs, open_blob).follow():
            yield progress
        documents = tuple(dict.fromkeys(document.digest for document in (root, *manifests)))
        yield PullResult(root.digest, str(target) if isinstance(target, Reference) else None, documents, blobs)

    async def _manifests(
        self, index: Index, repository: Repository | None, platform: Platform | None
    ) -> list[Document]:
        if platform is not None:
            return [await self._blobs.document(index.choose(platform).digest, repository, "node")]
        found = []
        for descriptor in index.manifests:
            # An index may name platforms that were never brought into the cluster.
            with suppress(ReferenceNotFound):
                found.append(await self._blobs.document(descriptor.digest, repository, "node"))
        return found

    async def fetch_known(
        self, metainfo: Metainfo, peers: Sequence[tuple[str, int]]
    ) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how one blob proceeds that comes from peers named by hand, whatever the DHT knows of it."""
        digest = metainfo.digest
        claim = Claim(metainfo, tuple(Holder(swarm=peer, complete=True) for peer in peers))

        async def open_known(digest: Digest) -> OpenBlob:
            lead = Lead(digest, metainfo.size, Sighting((claim,)))
            return self._blobs.stored(digest) or self._blobs.remote(lead)

        async for progress in Pulling([digest], open_known).follow():
            yield progress
        yield PullResult(digest, None, (), (digest,))

    async def why(self, target: Reference | Digest) -> Explanation:
        """Return what is known about target, and what a pull of it would do now."""
        return await self._explainer.explain(target, time.time())
