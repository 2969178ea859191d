"""What objects take up in memory, counted object by object: the same on every run, which what the system reports is not."""

import sys
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any


def deep_size(roots: Iterable[Any]) -> int:
    """Return the bytes of these objects and all they hold, each counted once; what they call and draw from not at all."""
    seen: set[int] = set()
    left = list(roots)
    size = 0
    while left:
        value = left.pop()
        if id(value) in seen or callable(value) or isinstance(value, Random):
            continue
        seen.add(id(value))
        size += sys.getsizeof(value)
        left += _held_by(value)
    return size


def _held_by(value: Any) -> Iterator[Any]:
    if isinstance(value, str | bytes | int | float | None):
        return
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    if (attributes := getattr(value, "__dict__", None)) is not None:
        yield attributes
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                yield getattr(value, name)
