"""Lists that registries answer with, page by page: tags and referrers (OCI distribution spec)."""

from collections.abc import Awaitable, Callable
from typing import Final

from yarl import URL

from p2player.errors import InvalidManifest
from p2player.oci.jsonobject import JsonObject
from p2player.oci.manifest import Descriptor
from p2player.oci.reference import is_tag
from p2player.upstream.headers import next_link
from p2player.upstream.reasons import NoAnswer
from p2player.upstream.transport import follow

MAX_LIST: Final = 16 * 1024 * 1024
_MAX_PAGES: Final = 1000


class Page:
    """One page: the URL it came from, its Link header and its body."""

    def __init__(self, url: URL, link: str, raw: bytes) -> None:
        self.raw = raw
        self._url = url
        self._link = link

    def next_path(self) -> str | None:
        """Return the path and query of the next page, or None. Raises NoAnswer if it is at another place."""
        target = next_link(self._link)
        if target is None:
            return None
        url = follow(self._url, target)
        if url.origin() != self._url.origin():
            raise NoAnswer("its list goes on at another place", again=False)
        return url.raw_path_qs


async def all_pages(read: Callable[[str, int], Awaitable[Page | None]], path: str) -> list[bytes] | None:
    """Return the bodies of all pages from path on, or None if there is no such list.

    read: gives the page at a path, of at most so many bytes. Raises NoAnswer for a list without end.
    """
    bodies: list[bytes] = []
    left = MAX_LIST
    here: str | None = path
    while here is not None:
        if len(bodies) >= _MAX_PAGES:
            raise NoAnswer(f"its list has more than {_MAX_PAGES} pages", again=False)
        page = await read(here, left)
        if page is None:
            return bodies or None
        bodies.append(page.raw)
        left -= len(page.raw)
        here = page.next_path()
    return bodies


def parse_tags(raw: bytes) -> list[str]:
    """Return the well-formed tags of a page of a tags list, or raise NoAnswer."""
    try:
        return [tag for tag in JsonObject.parse(raw, "list", InvalidManifest).texts("tags") if is_tag(tag)]
    except InvalidManifest as error:
        raise NoAnswer("it answered what is no list of tags", again=False) from error


def parse_referrers(raw: bytes) -> list[Descriptor]:
    """Return the manifests of a page of a referrers list, which is an index, or raise NoAnswer."""
    try:
        entries = JsonObject.parse(raw, "list", InvalidManifest).objects("manifests")
        return [Descriptor.from_json(entry) for entry in entries]
    except InvalidManifest as error:
        raise NoAnswer("it answered what is no list of referrers", again=False) from error
