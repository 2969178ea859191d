"""`p2player rm`: take an image or blob out of this node."""

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, size_text
from p2player.config import Config
from p2player.control.codec import to_json
from p2player.control.target import parse_target


@click.command()
@click.argument("target", metavar="REF|DIGEST")
@configured()
@click.pass_obj
def command(output: Output, config: Config, target: str) -> None:
    """Remove an image and every blob that no other image needs, or a blob that belongs to none.

    Other nodes keep what they have.
    """
    parse_target(target)
    removed = ask(config, lambda daemon: daemon.remove(target))
    output.data(to_json(removed))
    for digest in removed.blobs:
        output.line(f"removed {digest}")
    output.line(f"freed {size_text(removed.bytes)}")
