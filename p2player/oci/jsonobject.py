"""Reading JSON that others wrote: each member is asked for by the type it must have."""

import json
from collections.abc import Iterator
from typing import Any, Self

from p2player.errors import BadInput


class JsonObject:
    """A JSON object. A member of the wrong type raises `error` with its place; `null` counts as absent, as in Go."""

    def __init__(self, value: object, place: str, error: type[BadInput]) -> None:
        if not isinstance(value, dict):
            raise error(f"{place} is not a JSON object")
        self._members: dict[str, Any] = value
        self._place = place
        self._error = error

    @classmethod
    def parse(cls, raw: bytes, place: str, error: type[BadInput]) -> Self:
        """Return the object that raw spells in UTF-8."""
        return cls(parse_json(raw, place, error), place, error)

    def __contains__(self, key: str) -> bool:
        return self._members.get(key) is not None

    def text(self, key: str) -> str:
        """Return a string that must be there."""
        return str(self._required(key, str))

    def text_or(self, key: str, absent: str = "") -> str:
        """Return a string, or `absent`."""
        return self.text(key) if key in self else absent

    def integer(self, key: str) -> int:
        """Return a whole number that must be there."""
        value = self._required(key, int)
        if isinstance(value, bool):
            raise self._wrong(key)
        return int(value)

    def object(self, key: str) -> "JsonObject":
        """Return an object that must be there."""
        return JsonObject(self._required(key, dict), f"{self._place}: {key}", self._error)

    def objects(self, key: str) -> Iterator["JsonObject"]:
        """Yield the objects of an array, none if it is absent."""
        for number, value in enumerate(self._array(key)):
            yield JsonObject(value, f"{self._place}: {key}[{number}]", self._error)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the strings of an array, none if it is absent."""
        values = self._array(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key)
        return tuple(values)

    def text_pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return the members of an object of strings in their order, none if it is absent."""
        values = self._required(key, dict) if key in self else {}
        if not all(isinstance(value, str) for value in values.values()):
            raise self._wrong(key)
        return tuple(values.items())

    def _array(self, key: str) -> list[Any]:
        return list(self._required(key, list)) if key in self else []

    def _required(self, key: str, kind: type) -> Any:
        value = self._members.get(key)
        if not isinstance(value, kind):
            raise self._wrong(key)
        return value

    def _wrong(self, key: str) -> BadInput:
        state = "has the wrong type" if key in self else "is missing"
        return self._error(f"{self._place}: {key} {state}")


def parse_json(raw: bytes, place: str, error: type[BadInput]) -> Any:
    """Return what raw spells in UTF-8, or raise error. Nesting too deep for the parser counts as malformed."""
    try:
        value = json.loads(raw.decode("utf-8"))
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # an escaped lone surrogate is text that nothing can store
    except (ValueError, RecursionError) as cause:
        raise error(f"{place} is not JSON") from cause
    return value
