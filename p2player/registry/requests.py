"""What a client of the endpoint can ask (OCI distribution spec, pull and content discovery)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from p2player.errors import ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.reference import is_tag
from p2player.registry.errors import Refused
from p2player.registry.names import RequestedName

_READING = ("GET", "HEAD")
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BaseRequest:
    """Whether this is a registry at all."""


@dataclass(frozen=True, slots=True)
class ManifestRequest:
    """The manifest or index a tag (`str`) or digest means."""

    name: RequestedName
    target: str | Digest


@dataclass(frozen=True, slots=True)
class BlobRequest:
    """The bytes of a blob."""

    name: RequestedName
    digest: Digest


@dataclass(frozen=True, slots=True)
class TagsRequest:
    """The tags after `last`, at most `count` of them."""

    name: RequestedName
    count: int | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class ReferrersRequest:
    """The documents about digest, of one artifact type or all."""

    name: RequestedName
    digest: Digest
    artifact_type: str | None = None


RepositoryRequest = ManifestRequest | BlobRequest | TagsRequest | ReferrersRequest
Request = BaseRequest | RepositoryRequest


def parse_request(method: str, path: str, query: Mapping[str, str]) -> Request:
    """Return what is asked for by method at the decoded path.

    Raises Refused for what this endpoint does not do, InvalidReference and InvalidDigest for what cannot be a name, and
    ReferenceNotFound for a tag nothing can have.
    """
    if method not in _READING:
        raise Refused(405, "images are only read here", headers={"Allow": ", ".join(_READING)})
    if path in {"/v2/", "/v2"}:
        return BaseRequest()
    head, _, target = path.removeprefix("/v2/").rpartition("/")
    name, _, kind = head.rpartition("/")
    if not path.startswith("/v2/") or not name:
        raise _no_such_path()
    namespace = query.get("ns")
    match kind:
        case "manifests":
            return ManifestRequest(RequestedName.parse(name, namespace), _target(target))
        case "blobs":
            return BlobRequest(RequestedName.parse(name, namespace), Digest.parse(target))
        case "tags" if target == "list":
            return TagsRequest(RequestedName.parse(name, namespace), _count(query.get("n")), query.get("last"))
        case "referrers":
            return ReferrersRequest(
                RequestedName.parse(name, namespace), Digest.parse(target), query.get("artifactType") or None
            )
        case _:
            raise _no_such_path()


def _target(text: str) -> str | Digest:
    if ":" in text:
        return Digest.parse(text)
    if not is_tag(text):
        raise ReferenceNotFound(f"not a tag: {text[:200]!r}")
    return text


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise Refused(400, f"not a number of tags: n={text[:40]!r}")
    return int(text)


def _no_such_path() -> Refused:
    return Refused(404, "no such path; this endpoint has manifests, blobs, tags/list and referrers")
