"""What a verb says: to people in lines and tables or, with --json, to programs in one object a line."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

_UNITS = ("kB", "MB", "GB", "TB")


class Output:
    """Where a verb writes. It says everything both ways; the one that was not asked for goes nowhere."""

    def __init__(self) -> None:
        self.json = False
        self.debug = False

    def data(self, members: Mapping[str, Any]) -> None:
        """Write one JSON object, for programs."""
        if self.json:
            click.echo(json.dumps(members))

    def line(self, text: str = "") -> None:
        """Write a line, for people."""
        if not self.json:
            click.echo(text)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table with aligned columns, for people."""
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            self.line("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def failure(self, name: str, message: str, hint: str, exit_code: int) -> None:
        """Write why the verb failed."""
        self.data({"error": name, "message": message, "hint": hint, "exit_code": exit_code})
        if not self.json:
            click.echo(f"error: {message}", err=True)
            if hint:
                click.echo(f"hint: {hint}", err=True)


def size_text(count: float) -> str:
    """Return a number of bytes for people, in powers of 1000."""
    if count < 1000:
        return f"{count:.0f} B"
    power = min(int(math.log10(count)) // 3, len(_UNITS))
    scaled = count / 1000**power
    return f"{scaled:.1f} {_UNITS[power - 1]}" if scaled < 100 else f"{scaled:.0f} {_UNITS[power - 1]}"


def duration_text(seconds: float) -> str:
    """Return a span of time for people."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
