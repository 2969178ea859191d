"""`p2player peers`: whom this node knows, and whom it believes no more."""

import time

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, duration_text
from p2player.config import Config
from p2player.control.codec import to_json
from p2player.control.messages import Peer


@click.command()
@click.option("--forgive", metavar="NODE_ID", help="Lift the ban of a node.")
@configured()
@click.pass_obj
def command(output: Output, config: Config, forgive: str | None) -> None:
    """List the nodes that this one knows, through which it finds all others, and those that it has banned.

    A node is banned for good once it is proven to have lied: it is not asked and not believed. --forgive takes that back.
    """
    if forgive is not None:
        _forgive(output, config, forgive.lower())
        return
    peers = ask(config, lambda daemon: daemon.peers())
    for peer in peers:
        output.data(to_json(peer))
    now = time.time()
    output.table(
        ("NODE", "ADDRESS", "BANNED"), [(str(each.node_id), each.address, _ban_text(each, now)) for each in peers]
    )
    if any(peer.banned for peer in peers):
        output.line()
        output.line("to believe a banned node again: p2player peers --forgive NODE_ID")


def _forgive(output: Output, config: Config, node_id: str) -> None:
    was = ask(config, lambda daemon: daemon.forgive(node_id))
    output.data({"event": "forgiven", "node_id": node_id, **to_json(was)})
    output.line(f"{node_id} is banned no more; it was because it {was.reason}")


def _ban_text(peer: Peer, now: float) -> str:
    if peer.banned is None:
        return ""
    return f"{duration_text(max(0.0, now - peer.banned.at))} ago: {peer.banned.reason}"
