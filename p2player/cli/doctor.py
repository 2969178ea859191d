"""`p2player doctor`: check that images really come through the node, and say what to do where they do not."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import click

from p2player.cli.options import configured
from p2player.cli.output import Output
from p2player.config import Config
from p2player.control.client import ControlClient
from p2player.control.codec import to_json
from p2player.doctor.examination import examine
from p2player.doctor.runtimes import KINDS
from p2player.errors import Unavailable
from p2player.runtime.setup.tree import DiskTree


@click.command()
@click.option("--runtime", "named", type=click.Choice(list(KINDS)), multiple=True, help="Check this runtime only.")
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), metavar="DIR", help="What stands for / in all paths."
)
@configured()
@click.pass_obj
def command(output: Output, config: Config, named: tuple[str, ...], root: Path) -> None:
    """Check the node, and pull a tiny image through it with each container runtime that is set up for that.

    The image is made for it and removed again, from the runtime and from the node. A runtime that is not there is
    skipped; one that is not set up is a failure only if it is named. Exits 5 if something failed.
    """
    if asyncio.run(_examine(output, config, named, DiskTree(root))):
        raise click.exceptions.Exit(Unavailable.exit_code)


async def _examine(output: Output, config: Config, named: tuple[str, ...], tree: DiskTree) -> bool:
    """Tell whether a check failed."""
    runtimes = {name: kind(tree) for name, kind in KINDS.items() if name in named or not named}
    failed = False
    async with (
        ControlClient(config.data_dir) as daemon,
        aclosing(examine(daemon, tree, runtimes, named=named)) as findings,
    ):
        async for finding in findings:
            failed |= finding.state == "fail"
            output.data({"event": "check", **to_json(finding)})
            output.line(f"{finding.state:4}  {finding.check}: {finding.message}")
            if finding.fix and finding.state in {"warn", "fail"}:
                output.line(f"      {finding.fix}")
    return failed
