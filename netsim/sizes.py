"""Sizes as people write them."""

import re
from typing import Any, Final

import click

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

_UNITS: Final = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_SIZE: Final = re.compile(r"([1-9][0-9]{0,15}) ?(KiB|MiB|GiB|)")


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `64MiB`. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a size: {text[:40]!r}; write 512KiB, 64MiB or 1GiB")
    return int(match[1]) * _UNITS[match[2]]


def size_text(size: int) -> str:
    """Return a size in the largest unit that it is a whole number of."""
    unit = max((unit for unit in _UNITS if size % _UNITS[unit] == 0), key=_UNITS.__getitem__)
    return f"{size // _UNITS[unit]} {unit or 'bytes'}"


class Size(click.ParamType[int]):
    """A size on a command line, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes, or tell the user how sizes are written."""
        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
