"""The figures of a run, as a table for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Outcome, Skipped, Unit

_WIDTH: Final = 120  # where there is no terminal to ask


def print_table(title: str, outcomes: Sequence[Outcome], console: Console) -> None:
    """Print what one benchmark found: medians, in parentheses the range they are from, and whether targets are met."""
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", ratio=1)
    for head in ("p2player", "plain tool", "speed", "target"):
        table.add_column(head, justify="right", no_wrap=head != "plain tool")
    table.add_column("met", justify="center")
    notes = []
    for outcome in outcomes:
        if isinstance(outcome, Skipped):
            notes.append(f"not measured: {outcome.subject}: {outcome.reason}")
        else:
            table.add_row(*_cells(outcome))
    if table.row_count:
        console.print(table)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print()


def _cells(figure: Figure) -> tuple[str, ...]:
    plain, ratio = figure.plain, figure.ratio
    return (
        figure.subject,
        _with_range(figure.samples.values, figure.samples.median, figure.unit),
        f"{plain.tool} {figure.unit.text(plain.samples.median)}" if plain else "",
        "" if ratio is None else f"{ratio:.2f}x",
        figure.target.text(figure.unit) if figure.target else "",
        {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.is_met],
    )


def _with_range(values: Sequence[float], median: float, unit: Unit) -> str:
    if len(values) == 1:
        return unit.text(median)
    low, high = (f"{value:,.{unit.digits}f}" for value in (min(values), max(values)))
    return f"{unit.text(median)} ({low}-{high})"


def to_json(outcomes: Mapping[str, Sequence[Outcome]], machine: str, *, has_secret: bool = False) -> dict[str, Any]:
    """Return everything that was found by the benchmarks, by their names."""
    return {
        "machine": machine,
        "secret": has_secret,
        "figures": [
            {"benchmark": name, **_figure_to_json(outcome)}
            for name, found in outcomes.items()
            for outcome in found
            if isinstance(outcome, Figure)
        ],
        "skipped": [
            {"benchmark": name, "subject": outcome.subject, "reason": outcome.reason}
            for name, found in outcomes.items()
            for outcome in found
            if isinstance(outcome, Skipped)
        ],
    }


def _figure_to_json(figure: Figure) -> dict[str, Any]:
    plain = figure.plain
    return {
        "subject": figure.subject,
        "unit": figure.unit.name,
        "median": figure.samples.median,
        "samples": figure.samples.values,
        "plain": plain and {"tool": plain.tool, "median": plain.samples.median, "samples": plain.samples.values},
        "speed": figure.ratio,
        "target": figure.target and figure.target.text(figure.unit),
        "met": figure.is_met,
    }
