"""Names of images, with Docker Hub's rules (the reference grammar of the distribution project)."""

import re
from dataclasses import dataclass
from typing import Self

from p2player.errors import InvalidReference
from p2player.oci.digest import Digest

DOCKER_HUB = "docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.docker.io"})
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PORT_IN_PATH = re.compile(r"__(?=[0-9]{1,5}\Z)")
_MAX_NAME = 255
_HINT = "a reference looks like registry.example/team/app:1 or alpine@sha256:…"


def is_tag(text: str) -> bool:
    """Tell whether text is a well-formed tag."""
    return _TAG.fullmatch(text) is not None


def looks_like_registry(part: str) -> bool:
    """Tell whether the first part of a name means a registry: it has a dot or a port, or is `localhost`."""
    return ("." in part or ":" in part or part == "localhost") and _DOMAIN.fullmatch(part) is not None


def registry_in_path(registry: str) -> str:
    """Return a registry's name as the first part of a repository's path, where no colon may stand: `HOST__PORT`."""
    return registry.replace(":", "__")


def registry_of_path(part: str) -> str | None:
    """Return the registry that the first part of a path means, or None if it means none.

    Two underscores before a port are what a client writes that cannot put a colon there (podman, CRI-O). No name of a
    host has any.
    """
    name = _PORT_IN_PATH.sub(":", part)
    return name if looks_like_registry(name) else None


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A registry and a path in it. Docker Hub's aliases and its implied `library/` are folded to one name."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the repository that a name without tag or digest means, or raise InvalidReference."""
        first, slash, rest = text.partition("/")
        if slash and looks_like_registry(first):
            return cls.of(first, rest)
        return cls.of(DOCKER_HUB, text)

    @classmethod
    def of(cls, registry: str, path: str) -> Self:
        """Return the repository at path in registry, or raise InvalidReference."""
        registry = registry.lower()
        if not _DOMAIN.fullmatch(registry):
            raise InvalidReference(f"not a registry name: {registry[:200]!r}", hint=_HINT)
        if not _PATH.fullmatch(path) or len(registry) + 1 + len(path) > _MAX_NAME:
            raise InvalidReference(f"not a repository name: {path[:200]!r}", hint=_HINT)
        if registry in _HUB_ALIASES:
            registry = DOCKER_HUB
            if "/" not in path:
                path = f"library/{path}"
        return cls(registry, path)

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository with a tag, a digest, or both; the digest decides where both stand."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference that text spells (`latest` where it names no tag and no digest).

        Raises InvalidReference, or InvalidDigest for what stands behind an `@`.
        """
        name, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        head, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            head, tag = name, ""
        elif not is_tag(tag):
            raise InvalidReference(f"not a tag: {tag[:200]!r} in {text[:200]!r}", hint=_HINT)
        if not tag and digest is None:
            tag = "latest"
        return cls(Repository.parse(head), tag or None, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"
