"""`make bench`: measure p2player and plain tools side by side, and compare with what the design asks for."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from bench.figures import Outcome
from bench.firstbyte import first_byte
from bench.machine import describe_machine
from bench.manifests import manifests
from bench.manylayers import many_layers
from bench.report import print_table, to_json
from bench.sizes import parse_size
from bench.storehits import store_hits
from bench.transfer import transfer
from bench.workspace import Workspace
from netsim.emulate.processes import ProgramError
from p2player.errors import P2PlayerError

_BENCHMARKS: Final[dict[str, tuple[str, Callable[[Workspace], Iterator[Outcome]]]]] = {
    "transfer": ("One peer to one peer", transfer),
    "first-byte": ("A layer through the endpoint, to a client that waits", first_byte),
    "manifests": ("Manifests and configs from a peer", manifests),
    "store-hits": ("Layers held here, through the endpoint", store_hits),
    "many-layers": ("A node with many layers", many_layers),
}


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("names", metavar="[NAME]…", nargs=-1, type=click.Choice(list(_BENCHMARKS)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--size", type=_Size(), default="1GiB", show_default=True, help="Size of the large blob.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="How often each pair is measured.")
def main(names: tuple[str, ...], as_json: bool, size: int, runs: int) -> None:
    """Measure p2player and plain tools side by side, on this machine and right now.

    NAME is transfer, first-byte, manifests, store-hits or many-layers; all of them without one. Figures are medians;
    "speed" is how many times as fast as the plain tool. Missing a target is no failure: the exit code is 0.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, emoji=False)
    found: dict[str, list[Outcome]] = {}
    machine = describe_machine()
    if not as_json:
        console.print(f"{machine}\n", markup=False, soft_wrap=True)
    try:
        # Short, since the paths of the control sockets below it must be.
        with tempfile.TemporaryDirectory(prefix="p2b-") as directory:
            workspace = Workspace(Path(directory), size, runs)
            for name in names or _BENCHMARKS:
                title, benchmark = _BENCHMARKS[name]
                found[name] = list(benchmark(workspace))
                if not as_json:
                    print_table(title, found[name], console)
    except (ProgramError, P2PlayerError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        json.dump(to_json(found, machine), sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
