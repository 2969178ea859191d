"""What the endpoint and the command line ask of a node: images and blobs by name, wherever they come from."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.reference import Repository
from p2player.upstream.port import Asker


class OpenBlob(Protocol):
    """A blob that somebody reachable holds. To open it moves no byte of it; to read it does."""

    @property
    def digest(self) -> Digest:
        """The blob's name."""
        ...

    @property
    def size(self) -> int:
        """Bytes in the whole blob."""
        ...

    @property
    def path(self) -> Path | None:
        """The whole verified blob as a file of the store, or None while it is not there."""
        ...

    def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes [start, stop), each verified as far as can be told when it comes.

        The last bytes of the blob are held back until its whole digest has matched, so a reader who was given all bytes
        was given the right ones. Raises P2PlayerError midway. A reader who stops early closes the generator.
        """
        ...


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest or index. `stale_for`: seconds since the tag was last confirmed by its registry, which cannot be asked now.

    None means that it is as fresh as can be.
    """

    document: Document
    stale_for: float | None = None


class Library(Protocol):
    """All images and blobs the cluster has, and those of the registries behind it. `asker` is on whose behalf.

    Every method may raise LoginRequired or AccessDenied, and Unavailable.
    """

    async def manifest(self, repository: Repository, target: str | Digest, asker: Asker = "anonymous") -> FoundManifest:
        """Return what a tag (`str`) or a digest means in repository. Raises ReferenceNotFound."""
        ...

    async def blob(self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous") -> OpenBlob:
        """Return the blob of this digest, its size known; repository is where it was asked for. Raises BlobNotFound."""
        ...

    async def tags(self, repository: Repository, asker: Asker = "anonymous") -> list[str]:
        """Return the tags of repository, in any order. Raises RepositoryNotFound."""
        ...

    async def referrers(
        self, digest: Digest, repository: Repository | None = None, asker: Asker = "anonymous"
    ) -> list[Descriptor]:
        """Return the documents whose subject is digest (`Document.referrer`); none is an empty list."""
        ...
