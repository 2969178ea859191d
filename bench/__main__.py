"""`make bench`: measure p2player and plain tools side by side, and compare with what the design asks for."""

import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench.crowds import cold_crowd, warm_crowd
from bench.figures import Outcome
from bench.firstbyte import first_byte
from bench.load import load
from bench.manifests import manifests
from bench.manylayers import many_layers
from bench.massfailure import mass_failure
from bench.nopeer import no_peer
from bench.report import print_table, to_json
from bench.storehits import store_hits
from bench.transfer import transfer
from bench.workspace import Workspace
from netsim.emulate.processes import ProgramError
from netsim.machine import describe_machine
from netsim.sizes import Size
from p2player.errors import P2PlayerError

_BENCHMARKS: Final[dict[str, tuple[str, Callable[[Workspace], Iterator[Outcome]]]]] = {
    "transfer": ("One peer to one peer", transfer),
    "first-byte": ("A layer through the endpoint, to a client that waits", first_byte),
    "manifests": ("Manifests and configs from a peer", manifests),
    "store-hits": ("Layers held here, through the endpoint", store_hits),
    "warm-crowd": ("Many nodes at once, over links of 50 Mbit/s: one of them has the image", warm_crowd),
    "cold-crowd": ("Many nodes at once, over links of 50 Mbit/s: only the registry has the image", cold_crowd),
    "mass-failure": ("Many nodes at once, over links of 50 Mbit/s: a fifth of them fails on the way", mass_failure),
    "no-peer": ("A pull through a node that has nothing and no peer", no_peer),
    "load": ("Many clients through one node, from upstream and from the store", load),
    "many-layers": ("A node with many layers", many_layers),
}


@click.command()
@click.argument("names", metavar="[NAME]…", nargs=-1, type=click.Choice(list(_BENCHMARKS)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--size", type=Size(), default="1GiB", show_default=True, help="Size of the large blob.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="How often each pair is measured.")
@click.option("--secret", "has_secret", is_flag=True, help="Give all nodes a secret, so that they speak TLS.")
def main(names: tuple[str, ...], as_json: bool, size: int, runs: int, has_secret: bool) -> None:
    """Measure p2player and plain tools side by side, on this machine and right now.

    Without a NAME, all parts are measured. Figures are medians;
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
            if has_secret:
                _give_secret(workspace.path("secret"))
            for name in names or _BENCHMARKS:
                title, benchmark = _BENCHMARKS[name]
                title += ", with a secret (TLS)" * has_secret
                found[name] = list(benchmark(workspace))
                if not as_json:
                    print_table(title, found[name], console)
    except (ProgramError, P2PlayerError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        json.dump(to_json(found, machine, has_secret=has_secret), sys.stdout, indent=2)
        print()


def _give_secret(path: Path) -> None:
    """Let all daemons and commands of this run have a secret."""
    path.touch(0o600)
    path.write_text(secrets.token_hex())
    os.environ["P2PLAYER_SECRET_FILE"] = str(path)


if __name__ == "__main__":
    main()
