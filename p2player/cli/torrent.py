"""`p2player torrent`: let any BitTorrent v2 client join in."""

import sys
from pathlib import Path

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output
from p2player.config import Config
from p2player.errors import BadInput
from p2player.oci.blobwriter import write_file
from p2player.oci.digest import Digest

_ROOT_CERTIFICATE = b"8:ssl-cert"


@click.command()
@click.argument("digest", metavar="DIGEST")
@click.option("--output", "path", metavar="FILE", help="Where to write it; - is standard output.")
@configured()
@click.pass_obj
def command(output: Output, config: Config, digest: str, path: str | None) -> None:
    """Write a standard .torrent file for a blob held here, by default to <start of the digest>.torrent.

    With it any BitTorrent v2 client can fetch the blob from the nodes of a cluster that has no secret. Where there is one,
    only nodes of the cluster can use it (`p2player fetch --torrent`): their swarms ask for certificates.
    """
    blob = Digest.parse(digest)
    if path == "-" and sys.stdout.isatty():
        raise BadInput("a .torrent file is no text for a terminal", hint="name a file with --output FILE")
    torrent = ask(config, lambda daemon: daemon.torrent(blob))
    if path == "-":
        sys.stdout.buffer.write(torrent)
        return
    target = Path(path or f"{blob.short}.torrent")
    write_file(target, torrent)
    output.data({"digest": str(blob), "output": str(target)})
    output.line(f"wrote {target}")
    if _ROOT_CERTIFICATE in torrent:
        output.line("Only nodes with the secret of this cluster can use it: its swarms ask for certificates.")
