"""A library that holds everything in memory: the twin of the real one, for tests of what stands above it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from p2player.errors import BlobNotFound, P2PlayerError, ReferenceNotFound, RepositoryNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.reference import Repository
from p2player.pull.port import FoundManifest
from p2player.upstream.port import Asker

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class MemoryBlob:
    """A blob in memory, or a file somewhere if `path` is set. `fault` is raised before byte `good`."""

    digest: Digest
    data: bytes
    path: Path | None = None
    good: int = 0
    fault: P2PlayerError | None = None

    @property
    def size(self) -> int:
        """Bytes in the whole blob."""
        return len(self.data)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes [start, stop) in chunks."""
        end = stop if self.fault is None else min(stop, self.good)
        for at in range(start, end, _CHUNK):
            yield self.data[at : min(at + _CHUNK, end)]
        if self.fault is not None and end < stop:
            raise self.fault


class MemoryLibrary:
    """Images and blobs that were put in by hand."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, MemoryBlob] = {}
        self._documents: dict[Digest, Document] = {}
        self._tags: dict[Repository, dict[str, Digest]] = {}
        self.stale_for: float | None = None

    def add_blob(self, data: bytes, *, good: int = 0, fault: P2PlayerError | None = None) -> Digest:
        """Return the digest of a blob that is streamed; with a fault, its reader gets `good` bytes and then the fault."""
        digest = Digest.of(data)
        self._blobs[digest] = MemoryBlob(digest, data, None, good, fault)
        return digest

    def add_file(self, path: Path) -> Digest:
        """Return the digest of a blob that is there as a file."""
        data = path.read_bytes()
        digest = Digest.of(data)
        self._blobs[digest] = MemoryBlob(digest, data, path)
        return digest

    def add_document(self, document: Document, repository: Repository, *tags: str) -> None:
        """Take in a manifest or index, and point these tags of repository at it."""
        self._documents[document.digest] = document
        self._tags.setdefault(repository, {}).update(dict.fromkeys(tags, document.digest))

    async def manifest(self, repository: Repository, target: str | Digest, asker: Asker = "anonymous") -> FoundManifest:
        """Return what a tag or a digest means in repository. Raises ReferenceNotFound."""
        digest = self._tags.get(repository, {}).get(target) if isinstance(target, str) else target
        if digest is None or digest not in self._documents:
            raise ReferenceNotFound(f"no {target} in {repository}")
        return FoundManifest(self._documents[digest], self.stale_for)

    async def blob(
        self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous"
    ) -> MemoryBlob:
        """Return the blob of this digest. Raises BlobNotFound."""
        try:
            return self._blobs[digest]
        except KeyError:
            raise BlobNotFound(f"no blob {digest}") from None

    async def tags(self, repository: Repository, asker: Asker = "anonymous") -> list[str]:
        """Return the tags of repository. Raises RepositoryNotFound."""
        try:
            return list(self._tags[repository])
        except KeyError:
            raise RepositoryNotFound(f"no repository {repository}") from None

    async def referrers(
        self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous"
    ) -> list[Descriptor]:
        """Return the documents whose subject is digest."""
        return [
            document.referrer
            for document in self._documents.values()
            if document.content.subject is not None and document.content.subject.digest == digest
        ]
