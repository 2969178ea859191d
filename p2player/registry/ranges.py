"""Conditions and ranges of a request for immutable bytes (RFC 9110, sections 13 and 14)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes [start, stop) of a body of `size` bytes; never empty unless the body is."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        """The Content-Range header of these bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"

    def __len__(self) -> int:
        return self.stop - self.start


class RangeNotSatisfiable(Exception):  # noqa: N818  (named as HTTP names it)
    """A well-formed range of bytes that are not there."""


def requested_span(header: str | None, size: int) -> Span | None:
    """Return the part that a Range header asks for, or None where the whole is to be sent.

    The whole answers no range, several ranges, and what is no range of bytes: a server may ignore each of them.
    Raises RangeNotSatisfiable.
    """
    match = _RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or size == 0:
        return None
    first, last = match.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    elif last:
        start, stop = max(size - int(last), 0), size
    else:
        return None
    if start >= size:
        raise RangeNotSatisfiable
    return Span(start, stop, size)


def entity_tag(name: object) -> str:
    """Return the ETag of what a digest names: the digest itself, since its bytes cannot change."""
    return f'"{name}"'


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Tell whether the client has what tag stands for (If-None-Match; `W/` makes no difference, section 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)


def range_applies(if_range: str | None, tag: str) -> bool:
    """Tell whether a Range header counts (If-Range: the very same tag; a date is none, section 13.1.5)."""
    return if_range is None or if_range.strip() == tag
