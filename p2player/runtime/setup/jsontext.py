"""Editing one list of strings in a JSON object that a person wrote, leaving every other byte as it is."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # what json itself uses, in both of its makes
from typing import Any

from p2player.errors import InvalidConfig

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a value, and before it the key of a member, stand in a text."""

    start: int
    value: int
    stop: int


def parse_object(text: str, path: str) -> dict[str, Any]:
    """Return the object that a file spells; an empty file is an empty one. Raises InvalidConfig with file and line."""
    hint = "mend that file first; nothing was written"
    if not text.strip():
        return {}
    try:
        members = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidConfig(f"{path}, line {error.lineno}: not JSON: {error.msg}", hint=hint) from error
    if not isinstance(members, dict):
        raise InvalidConfig(f"{path}, line 1: not a JSON object", hint=hint)
    return members


def with_first(text: str, key: str, value: str) -> str:
    """Return the object in text with value as first of the list under key, once."""
    if not text.strip():
        text = "{}\n"
    text = without(text, key, value, keep_empty=True)
    member = _member(text, key)
    spelled = json.dumps(value)
    if member is not None:
        elements = _elements(text, member)
        if elements:
            return _put_before(text, elements[0].start, member.value + 1, spelled)
        return f"{text[: member.value]}[{spelled}]{text[member.stop :]}"
    entry = f"{json.dumps(key)}: [{spelled}]"
    start = _skip(text, 0) + 1
    first = _skip(text, start)
    if text[first] == "}":
        return f"{text[:start]}\n  {entry}\n{text[first:]}"
    return _put_before(text, first, start, entry)


def without(text: str, key: str, value: str, *, keep_empty: bool = False) -> str:
    """Return the object in text without value in the list under key, and without the list if nothing else is in it."""
    member = _member(text, key)
    if member is None:
        return text
    elements = _elements(text, member)
    found = [number for number, each in enumerate(elements) if json.loads(text[each.value : each.stop]) == value]
    if not found:
        return text
    if len(elements) == 1 and not keep_empty:
        members = [span for _, span in _members(text)]
        return _take_out(text, members, members.index(member), text.index("{") + 1)
    text = _take_out(text, elements, found[0], member.value + 1)
    return without(text, key, value, keep_empty=keep_empty)


def _put_before(text: str, place: int, after: int, entry: str) -> str:
    """Return text with an entry and a comma at place, and the space between them that stands before place."""
    space = text[after:place]
    return f"{text[:place]}{entry},{space if chr(10) in space else ' '}{text[place:]}"


def _take_out(text: str, entries: list[_Span], number: int, after: int) -> str:
    """Return text without one of the entries, which begin after a bracket, and the comma that set it apart."""
    if number + 1 < len(entries):
        return text[: entries[number].start] + text[entries[number + 1].start :]
    start = entries[number - 1].stop if number else after
    return text[:start] + text[entries[number].stop :]


def _member(text: str, key: str) -> _Span | None:
    """Return where the member of that key stands; of several the last counts, as everywhere."""
    return dict(_members(text)).get(key) if text.strip() else None


def _members(text: str) -> list[tuple[str, _Span]]:
    """Return the keys of the object in text and where their members stand, in their order."""
    found: list[tuple[str, _Span]] = []
    for start in _entries(text, _skip(text, 0)):
        key, stop = scanstring(text, start + 1)
        value = _skip(text, _skip(text, stop) + 1)
        found.append((key, _Span(start, value, _DECODER.raw_decode(text, value)[1])))
    return found


def _elements(text: str, member: _Span) -> list[_Span]:
    if text[member.value] != "[":  # null
        return []
    return [_Span(start, start, _DECODER.raw_decode(text, start)[1]) for start in _entries(text, member.value)]


def _entries(text: str, bracket: int) -> Iterator[int]:
    """Yield where the members or elements begin of what opens at bracket."""
    closing = {"{": "}", "[": "]"}[text[bracket]]
    place = _skip(text, bracket + 1)
    while text[place] != closing:
        yield place
        if closing == "}":
            place = _skip(text, _skip(text, scanstring(text, place + 1)[1]) + 1)
        place = _skip(text, _DECODER.raw_decode(text, place)[1])
        if text[place] == ",":
            place = _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place
