"""What the endpoint and the command line ask of a node: images and blobs by name, wherever they come from."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.reference import Repository


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


class Library(Protocol):
    """All images and blobs the cluster has."""

    async def manifest(self, repository: Repository, target: str | Digest) -> Document:
        """Return what a tag (`str`) or a digest means in repository.

        Raises ReferenceNotFound, Unavailable.
        """
        ...

    async def blob(self, digest: Digest) -> OpenBlob:
        """Return the blob of this digest, its size known. Raises BlobNotFound, Unavailable."""
        ...

    async def tags(self, repository: Repository) -> list[str]:
        """Return the tags of repository, in any order. Raises RepositoryNotFound, Unavailable."""
        ...

    async def referrers(self, digest: Digest) -> list[Descriptor]:
        """Return the documents whose subject is digest (`Document.referrer`); none is an empty list."""
        ...
