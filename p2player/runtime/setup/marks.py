"""Our part of a TOML file that belongs to somebody else, between two comments that tell it from the rest.

Taking it out again needs to know nothing else, and leaves every other byte as it is.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from p2player.errors import InvalidConfig

_BEGIN = "# p2player: begin (`p2player setup --remove` takes this out)\n"
_END = "# p2player: end\n"
_REPLACED = "# replaces: "
# A part whose end somebody has taken out must not reach over their lines to the end of the next one.
_BLOCK = re.compile(
    r"^# p2player: begin[^\n]*\n(?P<body>(?:(?!# p2player: (?:begin|end))[^\n]*\n)*)# p2player: end[^\n]*(?:\n|\Z)",
    re.MULTILINE,
)
_KEPT = re.compile(rf"^{_REPLACED}([^\n]*(?:\n|\Z))", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def block(body: str, replaced: str = "") -> str:
    """Return body (whole lines) as a part of ours that stands in for a line of the file, if there was one."""
    kept = f"{_REPLACED}{replaced.removesuffix(chr(10))}\n" if replaced else ""
    return f"{_BEGIN}{kept}{body}{_END}"


def without_blocks(text: str) -> str:
    """Return text without our parts, and with the lines again that they stand in for."""
    return _BLOCK.sub(lambda match: "".join(_KEPT.findall(match["body"])), text)


def parse_toml(text: str, path: str) -> dict[str, Any]:
    """Return what a file spells. Raises InvalidConfig with file and line."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise InvalidConfig(f"{path} is not TOML: {error}", hint="mend that file first; nothing was written") from error


def lines(text: str) -> list[str]:
    """Return the lines of text with their ends."""
    return _LINE.findall(text)


def table_of(line: str) -> tuple[str, ...] | None:
    """Return the keys of the table that a line begins, or None if it begins none."""
    if not line.lstrip().startswith("["):
        return None
    try:
        table: object = tomllib.loads(line)
    except ValueError:
        return None
    keys: list[str] = []
    while isinstance(table, dict) and table:
        ((key, table),) = table.items()
        keys.append(key)
    return tuple(keys)


def insertions(text: str, part: str) -> Iterator[str]:
    """Yield text with part before each line that seems to begin a table, and at last with part behind everything.

    A line inside a string or a list can look the same: whoever uses this checks what comes out.
    """
    parts = lines(text)
    for number, line in enumerate(parts):
        if table_of(line) is not None:
            yield "".join((*parts[:number], part, *parts[number:]))
    yield appended(text, part)


def appended(text: str, part: str) -> str:
    """Return text with part behind it, from a new line on."""
    return f"{text}{part}" if not text or text.endswith("\n") else f"{text}\n{part}"
