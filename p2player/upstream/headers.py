"""Headers of answers, as registries write them: Content-Range, Link, Retry-After."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self

_RANGE: Final = re.compile(r"bytes[ \t]+(?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE)
_LINK: Final = re.compile(r'<([^<>]*)>((?:[ \t]*;[ \t]*[^\s=;,"]+(?:=(?:"[^"]*"|[^\s;,"]*))?)*)')
_REL: Final = re.compile(r';[ \t]*rel=(?:"([^"]*)"|([^\s;,"]*))', re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which bytes came (RFC 9110 section 14.4): [start, stop) of total, None where it was not said."""

    start: int | None
    stop: int | None
    total: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the range that a header's value spells, or None if it spells none that can be."""
        if not (found := _RANGE.fullmatch(text.strip())):
            return None
        first, last, size = found.groups()
        total = None if size == "*" else int(size)
        if first is None:
            return cls(None, None, total)
        start, stop = int(first), int(last) + 1
        if start >= stop or (total is not None and stop > total):
            return None
        return cls(start, stop, total)


def next_link(text: str) -> str | None:
    """Return where the next page of an answer is (RFC 8288, rel=next), or None."""
    return next((target for target, relations in _links(text) if "next" in relations), None)


def _links(text: str) -> Iterator[tuple[str, list[str]]]:
    for link in _LINK.finditer(text):
        relation = _REL.search(link[2])
        yield link[1], ((relation[1] or relation[2] or "").lower().split() if relation else [])


def parse_retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds to wait that a header's value spells, as a number or a date (RFC 9110 section 10.2.3)."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
