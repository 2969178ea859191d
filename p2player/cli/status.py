"""`p2player status`: the node at a glance."""

import datetime as dt

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, duration_text, size_text
from p2player.config import Config
from p2player.control.codec import to_json


@click.command()
@configured()
@click.pass_obj
def command(output: Output, config: Config) -> None:
    """Show the node at a glance: its addresses, what it holds, and what it has moved since it started."""
    status = ask(config, lambda daemon: daemon.status())
    output.data(to_json(status))
    output.line(f"node      {status.node_id} (p2player {status.version}, up {duration_text(status.uptime_seconds)})")
    output.line(f"registry  {status.registry}")
    output.line(f"cluster   {status.cluster} (swarm {status.swarm}), {'with a' if status.secret else 'no'} secret")
    if status.tls.expires is not None:
        output.line(
            f"tls       certificate good until {dt.datetime.fromtimestamp(status.tls.expires, dt.UTC):%Y-%m-%d}"
        )
    output.line(f"peers     {status.peers}")
    output.line(f"blobs     {status.blobs} in {status.data_dir}")
    served, *fetched = (size_text(status.bytes[source]) for source in ("local", "peer", "upstream"))
    output.line(f"served    {served} from the store")
    output.line(f"fetched   {fetched[0]} from peers, {fetched[1]} from upstream")
    for event, count in sorted(status.events.items()):
        output.line(f"event     {count} {event}")
    for reason, count in sorted(status.dropped.items()):
        output.line(f"dropped   {count} {reason}")
