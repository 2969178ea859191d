"""`p2player peers`: whom this node knows."""

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output
from p2player.config import Config
from p2player.control.codec import to_json


@click.command()
@configured()
@click.pass_obj
def command(output: Output, config: Config) -> None:
    """List the nodes that this one knows; it finds all others through them."""
    peers = ask(config, lambda daemon: daemon.peers())
    for peer in peers:
        output.data(to_json(peer))
    output.table(("NODE", "ADDRESS"), [(str(peer.node_id), peer.address) for peer in peers])
