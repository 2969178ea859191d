"""`make soak`: real nodes under random actions and faults for a set time; nothing may grow, and nothing may be wrong."""

import json
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from netsim.emulate.processes import ProgramError
from netsim.soak.run import soak
from netsim.telling import teller


@click.command()
@click.option("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES", "10")), show_default=True)
@click.option("--nodes", type=click.IntRange(2), default=8, show_default=True)
@click.option(
    "--images", type=click.IntRange(1), default=6, show_default=True, help="How many, in the registry and beside it."
)
@click.option("--seed", type=int, help="The same seed gives the same actions; a random one if there is none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def main(minutes: float, nodes: int, images: int, seed: int | None, as_json: bool) -> None:
    """Run real nodes under random pulls, evictions and faults. Exits with 1 if anything grew or was wrong."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    tell = teller(digits=0)
    tell(f"seed {seed}")
    try:
        # Short, since the paths of the control sockets below it must be.
        with tempfile.TemporaryDirectory(prefix="p2soak-") as directory:
            report = soak(Path(directory), seconds=minutes * 60, size=nodes, seed=seed, images=images, tell=tell)
    except ProgramError as error:
        print(f"the soak did not come so far: {error}", file=sys.stderr)
        sys.exit(1)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        report.print(Console(highlight=False))
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    main()
