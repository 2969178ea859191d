"""`p2player fetch`: bring an image or blob out of the cluster."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path

import click

from p2player.cli.options import configured
from p2player.cli.output import Output, duration_text, size_text
from p2player.cli.ownnode import daemon_or_own_node
from p2player.cli.progress import open_board
from p2player.config import Config, HostPort
from p2player.control.client import ControlClient
from p2player.control.messages import event_to_json
from p2player.control.platforms import ALL
from p2player.control.target import parse_target
from p2player.control.writing import write_out
from p2player.errors import DaemonUnreachable
from p2player.oci.destination import open_destination
from p2player.oci.source import open_input
from p2player.pull.events import BlobProgress, PullResult

Pull = AsyncGenerator[BlobProgress | PullResult, None]


@click.command()
@click.argument("target", metavar="REF|DIGEST", required=False)
@click.option("--output", "destination", metavar="DEST", help="Write it there as well.")
@click.option("--platform", metavar="OS/ARCH", help="The image for another platform than this machine's.")
@click.option("--all-platforms", is_flag=True, help="The images for all platforms.")
@click.option("--torrent", type=click.Path(path_type=Path), metavar="FILE", help="Fetch the blob of a .torrent file.")
@click.option("--peer", "peers", metavar="HOST:PORT", multiple=True, help="Whom to fetch a .torrent file's blob from.")
@configured("cluster", "join", "secret_file", "tls_ca", "tls_cert", "tls_key", "insecure")
@click.pass_obj
def command(
    output: Output,
    config: Config,
    target: str | None,
    destination: str | None,
    platform: str | None,
    all_platforms: bool,
    torrent: Path | None,
    peers: tuple[str, ...],
) -> None:
    """Bring an image or blob out of the cluster into this node and, with --output, to a place of your own.

    \b
    DEST is one of
      oci:DIR[:NAME]       an OCI image layout
      oci-archive:FILE     a tar of one
      docker-archive:FILE  for `docker load`
      FILE                 for a single blob

    Without a daemon on this machine, --join starts a node for as long as it takes.
    """  # noqa: D301  (\b is how click keeps lines apart)
    if platform and all_platforms:
        raise click.UsageError("--platform and --all-platforms exclude each other")
    pull: Callable[[ControlClient], Pull]
    if target and not torrent and not peers:
        parse_target(target)
        pull = partial(ControlClient.pull, target=target, platform=ALL if all_platforms else platform)
    elif torrent and peers and not target:
        with open_input(torrent) as file:
            pull = partial(ControlClient.fetch, torrent=file.read(), peers=tuple(map(HostPort.parse, peers)))
    else:
        raise click.UsageError("give a REF or DIGEST, or --torrent FILE with --peer HOST:PORT")
    asyncio.run(_fetch(output, config, pull, destination, alone=bool(torrent)))


async def _fetch(
    output: Output, config: Config, pull: Callable[[ControlClient], Pull], destination: str | None, *, alone: bool
) -> None:
    with ExitStack() as cleanup:
        place = None
        if destination:
            place = open_destination(destination)
            cleanup.callback(place.discard)
        async with daemon_or_own_node(config, destination, alone=alone) as daemon:
            pulled = await _follow(output, pull(daemon))
            if place:
                await write_out(daemon, pulled, place)
    if destination:
        output.data({"event": "written", "output": destination})
        output.line(f"wrote {destination}")


async def _follow(output: Output, pull: Pull) -> PullResult:
    """Return what was pulled, once everybody has seen it come."""
    blobs: dict[str, BlobProgress] = {}
    with open_board(output) as board:
        async with aclosing(pull):
            async for event in pull:
                output.data(event_to_json(event))
                if isinstance(event, PullResult):
                    break
                blobs[str(event.digest)] = event
                board.show(event.digest.short, event.state, event.done, event.size)
            else:
                raise DaemonUnreachable("the daemon broke off the pull", hint="its log says why")
    output.table(("BLOB", "SIZE", "TIME", "FROM"), [_row(blob) for blob in blobs.values()])
    return event


def _row(blob: BlobProgress) -> tuple[str, str, str, str]:
    sources = [f"{peer} {size_text(count)}" for peer, count in blob.by_peer]
    origin = "here already" if blob.state == "present" else ", ".join(sources)
    return blob.digest.short, size_text(blob.size), duration_text(blob.seconds), origin
