"""`p2player secret`: make the secret of a cluster, or change it while the cluster runs."""

import re
import time
from pathlib import Path
from typing import Final

import click

from p2player.cli.options import with_json
from p2player.cli.output import Output
from p2player.peer import rotation
from p2player.peer.secretfile import time_text

_SPAN = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group()
def command() -> None:
    """Make the secret that the nodes of a cluster share, or change it while the cluster runs.

    Both take --json.
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_json
@click.pass_obj
def new(output: Output, file: Path) -> None:
    """Write a new secret to FILE, which must not be there yet."""
    rotation.create(file)
    output.data({"file": str(file)})
    output.line(f"wrote {file}, for nobody else to read")
    output.line(f"Copy it to every node, and start each with: p2player serve --secret-file {file}")


def _seconds(_: click.Context, __: click.Parameter, text: str) -> int:
    if not (match := _SPAN.fullmatch(text)):
        raise click.BadParameter(f"{text[:40]!r} is no span of time; one looks like 30m, 1h or 2d")
    return int(match[1]) * _SECONDS[match[2]]


@command.command(short_help="Enter a new secret in FILE, that begins in a while.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--in", "seconds", default="1h", metavar="SPAN", callback=_seconds, help="When the new secret begins [1h]."
)
@with_json
@click.pass_obj
def rotate(output: Output, file: Path, seconds: int) -> None:
    """Enter a new secret in FILE, that begins in a while, and take out those that are over.

    Nodes read the file again by themselves. Those that do not have it when the new secret begins may lose the others
    until they get it; the secret before is good for another day.
    """
    entered = rotation.rotate(file, seconds, time.time())
    begins, until = time_text(entered.begins), time_text(entered.previous_until)
    output.data({"file": str(file), "begins": begins, "previous_until": until})
    output.line(f"The new secret begins at {begins}; the one before is good until {until}.")
    output.line(f"Copy {file} to every node before it begins. No restart is needed.")
