"""Which repository a client means (OCI distribution spec, registry proxying; the runtimes' own habits)."""

from dataclasses import dataclass
from typing import Self

from p2player.errors import InvalidReference
from p2player.oci.reference import Repository, looks_like_registry, registry_of_path


@dataclass(frozen=True, slots=True)
class RequestedName:
    """A repository as the client spelled it, and the one it means."""

    path: str
    namespace: str | None
    repository: Repository

    @classmethod
    def parse(cls, path: str, namespace: str | None) -> Self:
        """Return the name at path, or raise InvalidReference.

        The registry is the `ns` query parameter (containerd, dockerd with its image store), else the first part of path if
        that looks like one (podman, CRI-O, people; `HOST__PORT` where a colon cannot stand), else Docker Hub (dockerd's `registry-mirrors`). It is only ever a name
        to look up: nobody connects to it because a client said so.
        """
        if namespace is None:
            first, slash, rest = path.partition("/")
            registry = registry_of_path(first) if slash else None
            return cls(path, None, Repository.of(registry, rest) if registry else Repository.parse(path))
        if not looks_like_registry(namespace):
            raise InvalidReference(f"not a registry name: ns={namespace[:200]!r}")
        return cls(path, namespace, Repository.of(namespace, path))
