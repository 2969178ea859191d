"""Lists a client can ask for: pages of tags, and what refers to a digest."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from p2player.oci.manifest import Descriptor
from p2player.oci.mediatypes import OCI_INDEX
from p2player.registry.requests import ReferrersRequest, TagsRequest


@dataclass(frozen=True, slots=True)
class TagsPage:
    """One page of a repository's tags, in byte order, and where the next one is."""

    body: bytes
    link: str | None


def tags_page(asked: TagsRequest, tags: Iterable[str]) -> TagsPage:
    """Return the page of tags that was asked for."""
    rest = sorted(tag for tag in set(tags) if asked.last is None or tag > asked.last)
    page = rest if asked.count is None else rest[: asked.count]
    body = json.dumps({"name": asked.name.path, "tags": page}).encode()
    return TagsPage(body, _next(asked, page[-1]) if page and len(page) < len(rest) else None)


def _next(asked: TagsRequest, last: str) -> str:
    query: dict[str, str | int | None] = {"n": asked.count, "last": last}
    if asked.name.namespace is not None:
        query["ns"] = asked.name.namespace
    return f'</v2/{asked.name.path}/tags/list?{urlencode(query)}>; rel="next"'


def referrers_index(asked: ReferrersRequest, referrers: Iterable[Descriptor]) -> bytes:
    """Return an OCI image index of the referrers that were asked for."""
    wanted = [entry for entry in referrers if asked.artifact_type in {None, entry.artifact_type}]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json() for entry in wanted]}
    return json.dumps(index).encode()
