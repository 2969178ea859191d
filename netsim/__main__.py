"""`python -m netsim`: how p2player behaves when a cluster does what clusters do, with real daemons and with simulated ones."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
from rich.console import Console
from rich.table import Table

from netsim.emulate.crowd import emulate as emulate_rollout
from netsim.emulate.processes import ProgramError
from netsim.results.collection import load
from netsim.results.files import write_files
from netsim.results.jsonform import NoResultError, Result, to_json
from netsim.results.runner import run_set
from netsim.results.scale import write
from netsim.results.sets import small_set, whole_set
from netsim.results.table import print_result
from netsim.scenarios.catalogue import SCENARIOS, Scenario
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.simulate.crowd import simulate as simulate_rollout
from netsim.simulate.directory import simulate as simulate_directory
from netsim.sizes import Size
from netsim.telling import Tell, teller
from p2player.errors import P2PlayerError

_INTERRUPTED: Final = 130
_WIDTH: Final = 120  # where there is no terminal to ask
_DEFAULTS: Final = Options()
_OPTIONS: Final = (
    click.argument("name", metavar="SCENARIO", type=click.Choice(list(SCENARIOS))),
    click.option(
        "--nodes", type=click.IntRange(1), default=_DEFAULTS.nodes, show_default=True, help="How many want something."
    ),
    click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Of all that is random."),
    click.option("--size", type=Size(), default="64MiB", show_default=True, help="Of an image."),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        default=_DEFAULTS.rate,
        show_default=True,
        help="Mbit/s each way of a host's link.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables."),
    click.option(
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Also write SCENARIO.json, .txt, .png and .svg there.",
    ),
)
Run = Callable[[Scenario, Options, Tell], Result]


def _scenario_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run scenarios of a cluster: with real daemons (emulate), or with thousands of nodes in virtual time (simulate).

    A goal that is missed is shown and is no failure. Exit codes: 0 done, 1 it could not be carried out, 2 bad input,
    130 interrupted.
    """


@main.command(name="list")
def list_scenarios() -> None:
    """Name the scenarios, and what each is to find out."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for name, make in SCENARIOS.items():
        scenario = make(_DEFAULTS)
        table.add_row(name, "simulated only" if isinstance(scenario, Directory) else "", scenario.question)
    _console().print(table)


@main.command()
@_scenario_options
def emulate(name: str, as_json: bool, output: Path | None, **options: float) -> None:
    """Run a scenario with real daemons, each on a host of its own with a shaped link. Needs root; 4 to 48 nodes."""

    def run(scenario: Scenario, options: Options, tell: Tell) -> Result:
        if isinstance(scenario, Directory):
            raise click.UsageError(f"{name} is simulated only: python -m netsim simulate {name}")
        return emulate_rollout(scenario, options, tell=tell)

    _carry_out(run, name, options, as_json, output)


@main.command()
@_scenario_options
def simulate(name: str, as_json: bool, output: Path | None, **options: float) -> None:
    """Run a scenario with the real code of each node in virtual time. The same options give the same result."""

    def run(scenario: Scenario, options: Options, tell: Tell) -> Result:
        if isinstance(scenario, Directory):
            return simulate_directory(scenario, options, tell=tell)
        return simulate_rollout(scenario, options, tell=tell)

    _carry_out(run, name, options, as_json, output)


_RESULTS: Final = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default="build/netsim",
    show_default=True,
    metavar="DIR",
    help="Where the results are, a JSON file a run.",
)


@main.command(name="set")
@click.option("--small", is_flag=True, help="A few small runs, to try whether it works.")
@_RESULTS
def run_all(small: bool, results: Path) -> None:
    """Run the whole set, emulated and simulated. A run that fails is told, and ends no other."""
    with _failing():
        run_set(small_set() if small else whole_set(), results, teller(digits=1))


@main.command()
@_RESULTS
@click.option(
    "--docs", type=click.Path(file_okay=False, path_type=Path), default="docs", show_default=True, metavar="DIR"
)
def report(results: Path, docs: Path) -> None:
    """Write scale.md and its plots, and the curves in beyond.md, from the results of a set."""
    with _failing():
        write(load(results), docs)


def _carry_out(run: Run, name: str, options: dict[str, int | float], as_json: bool, output: Path | None) -> None:
    chosen = Options(
        nodes=int(options["nodes"]), seed=int(options["seed"]), size=int(options["size"]), rate=float(options["rate"])
    )
    with _failing():
        result = run(SCENARIOS[name](chosen), chosen, teller(digits=1))
        if output is not None:
            write_files(result, output, name)
        if as_json:
            print(to_json(result))
        else:
            print_result(result, _console())


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what goes wrong into a message and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("interrupted", _INTERRUPTED)
    except P2PlayerError as error:
        _fail(f"{error.message}\n{error.hint}".rstrip())
    except (ProgramError, NoResultError, OSError) as error:
        _fail(str(error))


def _fail(message: str, code: int = 1) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


def _console() -> Console:
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(prog_name="python -m netsim")
