"""The figures of a run as tables for people."""

import io
import math
from typing import Final

from rich.console import Console
from rich.table import Table

from netsim.results.directoryfigures import LoadFigures, LookupFigures, load_figures, lookup_figures
from netsim.results.figures import figures_of
from netsim.results.jsonform import Result, scenario_of, verdicts
from netsim.results.run import DirectoryRun, Run
from netsim.results.verdict import Verdict
from netsim.scenarios.rollout import Rollout

_WIDTH: Final = 120


def as_text(result: Result) -> str:
    """Return the tables as plain text."""
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, color_system=None)
    print_result(result, console)
    file = console.file
    assert isinstance(file, io.StringIO)  # noqa: S101 - it is the one given above
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def print_result(result: Result, console: Console) -> None:
    """Print what was asked, what became of it, and which goals were met."""
    scenario, options = scenario_of(result), result.options
    console.print(f"[bold]{result.scenario}[/]: {scenario.question}")
    console.print(f"{options.nodes} nodes, {options.terms}, seed {options.seed}", style="dim")
    match scenario, result:
        case Rollout() as rollout, Run() as run:
            console.print(_rollout_table(rollout, run))
        case _, DirectoryRun() as run:
            for table in _directory_tables(run):
                console.print(table)
    goals = verdicts(result)
    if goals:
        console.print(_goal_table(goals))


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    return table


def _rollout_table(rollout: Rollout, run: Run) -> Table:
    figures = figures_of(rollout, run)
    table = _table("", "", "")
    table.add_row("D*, the least time there can be", f"{figures.bound:.2f} s", "")
    for name, seconds in (("half of the pulls", figures.p50), ("99 %", figures.p99), ("the last", figures.last)):
        ratio = f"{figures.times(seconds):.2f}x D*" if math.isfinite(seconds) else ""
        table.add_row(name, seconds_text(seconds), ratio)
    table.add_row("pulls that ended well", f"{figures.finished:.1%}", "")
    table.add_row("copies that left the registry", f"{figures.copies:.2f}", "")
    if figures.seed_copies is not None:
        table.add_row("copies that left the seed", f"{figures.seed_copies:.2f}", "")
    table.add_row("redundant bytes", f"{figures.redundant:.2%}", "")
    table.add_row("control bytes", f"{figures.control:.2%}", "")
    table.add_row("most that a node sent", f"{figures.peak:.2f}x", "the mean")
    table.add_row("Gini of what nodes sent", f"{figures.gini:.2f}", "")
    if run.half == "emulate":
        table.add_row("this machine's cores used", f"{run.busy:.0f} %", "")
    reasons = sorted({pull.reason for pull in run.pulls if pull.reason and not pull.is_lost})
    for reason in reasons[:3]:
        table.add_row("did not end well", "", reason)
    return table


def seconds_text(seconds: float) -> str:
    """Return a time for people."""
    return f"{seconds:.2f} s" if math.isfinite(seconds) else "never"


def _directory_tables(run: DirectoryRun) -> list[Table]:
    tables = []
    if run.lookups:
        table = _table(*LookupFigures.heads)
        for row in map(lookup_figures, run.lookups):
            table.add_row(*row.cells)
        tables.append(table)
    if run.loads:
        table = _table(*LoadFigures.heads)
        for load in map(load_figures, run.loads):
            table.add_row(*load.cells)
        tables.append(table)
    return tables


def _goal_table(goals: tuple[Verdict, ...]) -> Table:
    table = _table("goal", "", "found", "met")
    for goal in goals:
        table.add_row(goal.figure, goal.goal, goal.found, "[green]yes[/]" if goal.is_met else "[red]no[/]")
    return table
