"""What the rest of p2player asks of registries outside the cluster. `client.RegistryUpstreams` does it, `memory` twins it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.oci.reference import Repository
from p2player.upstream.settings import UpstreamSettings

UPSTREAM: Final = "upstream"
"""What a registry is called among the sources of a blob."""

Kind = Literal["manifests", "blobs"]
"""Under which of a repository's paths a digest is asked for."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a client of the endpoint said to prove who it is: the value of its Authorization header, kept out of logs."""

    authorization: str = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """What stands for it in caches: 32 bytes from which it cannot be had back."""
        return hashlib.sha256(self.authorization.encode(errors="surrogateescape")).digest()


Asker = Login | Literal["anonymous", "node"]
"""In whose name a registry is asked: a client's, nobody's, or this node's own (the credentials its user has stored)."""


@dataclass(frozen=True, slots=True)
class UpstreamBlob:
    """A blob on its way from a registry: bytes in the whole blob, and those from the asked start on, in order."""

    size: int
    chunks: AsyncIterator[bytes]


class Upstreams(Protocol):
    """All registries outside the cluster that this node may ask.

    Every method raises LoginRequired or AccessDenied if the asker may not have it, NotFound errors if the registry says
    that it has no such thing, and Unavailable errors (UpstreamUnreachable, RateLimited) if it cannot be asked now.
    A repository whose registry has no settings is UpstreamUnreachable.
    """

    def settings(self, registry: str) -> UpstreamSettings | None:
        """Return how a registry is asked, or None if this node may not ask it at all."""

    def has_credentials(self, registry: str) -> bool:
        """Tell whether this node has credentials of its own for a registry."""

    async def resolve(self, repository: Repository, tag: str, asker: Asker, known: Digest | None = None) -> Descriptor:
        """Return what a tag means upstream now (HEAD, conditional on known). Raises ReferenceNotFound."""

    async def check(self, repository: Repository, target: str | Digest, kind: Kind, asker: Asker) -> int:
        """Return the size in bytes of what repository has under target, if asker may have it (HEAD)."""

    def open(
        self,
        repository: Repository,
        digest: Digest,
        kind: Kind,
        asker: Asker,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> AbstractAsyncContextManager[UpstreamBlob]:
        """Open a blob or manifest at byte start, up to byte stop. What breaks midway is resumed, at another mirror if need be.

        The bytes are not checked against the digest: whoever puts them together has to.
        """

    async def tags(self, repository: Repository, asker: Asker) -> list[str]:
        """Return all tags of repository. Raises RepositoryNotFound."""

    async def referrers(self, repository: Repository, digest: Digest, asker: Asker) -> list[Descriptor]:
        """Return what repository has about digest; a registry that knows no referrers has none."""

    async def close(self) -> None:
        """Close all connections."""
