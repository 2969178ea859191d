"""Conditions and ranges of a request for immutable bytes (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes [start, stop) of a body."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Selection:
    """How a request for bytes is answered: a status, headers about the part that is sent, and that part."""

    status: int
    headers: dict[str, str]
    span: Span | None = None


def select(method: str, headers: Mapping[str, str], tag: str, size: int) -> Selection:
    """Return what a request gets of a body of `size` bytes that tag stands for: 200, 206, 304 or 416."""
    if is_unchanged(headers.get("If-None-Match"), tag):
        return Selection(304, {})
    part = None
    if method == "GET" and headers.get("If-Range", tag).strip() == tag:  # a weak tag or a date is not the very same
        part = _requested(headers.get("Range", ""), size)
    if part is None:
        return Selection(200, {"Content-Length": str(size)}, Span(0, size))
    if not part:
        return Selection(416, {"Content-Length": "0", "Content-Range": f"bytes */{size}"})
    content_range = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Selection(206, {"Content-Length": str(len(part)), "Content-Range": content_range}, part)


def _requested(header: str, size: int) -> Span | None:
    """Return the part a Range header asks for, empty if nothing is there, or None for the whole.

    The whole answers what is no range of bytes, as it must, and several ranges, as it may.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or size == 0:
        return None
    first, last = match.groups()
    if not first:
        return Span(max(size - int(last), 0), size) if last else None
    stop = int(last) + 1 if last else size
    if last and stop <= int(first):
        return None
    return Span(min(int(first), size), min(stop, size))


def entity_tag(name: object) -> str:
    """Return the ETag of what a digest names: the digest itself, since its bytes cannot change."""
    return f'"{name}"'


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Tell whether the client has what tag stands for (If-None-Match; `W/` makes no difference, section 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)
