"""`p2player ca`: a CA for the certificates that nodes show each other."""

import datetime as dt
from pathlib import Path

import click

from p2player.cli.options import with_json
from p2player.cli.output import Output
from p2player.peer import cafiles


@click.group()
def command() -> None:
    """Make a CA for a cluster, and certificates for its nodes.

    A cluster with a secret needs neither: its nodes make a CA of the secret. With a CA of its own, who has the secret alone
    stays outside, and each node can be let in for a time. Both commands take --json.
    """


@command.command(short_help="Make a CA in DIR.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@with_json
@click.pass_obj
def init(output: Output, directory: Path) -> None:
    """Make a CA in DIR, good for ten years: ca.pem, which every node gets, and ca.key, which none does."""
    authority = cafiles.init(directory, dt.datetime.now(dt.UTC))
    end = authority.certificate.not_valid_after_utc
    files = {"certificate": str(directory / cafiles.CERTIFICATE), "key": str(directory / cafiles.KEY)}
    output.data({**files, "expires": int(end.timestamp())})
    output.line(f"wrote {files['certificate']} and {files['key']}; whoever has the key can let in anybody")
    output.line(f"For each node: p2player ca issue {directory} NAME")


@command.command(short_help="Make a certificate for a node, by the CA in DIR.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), default=365, metavar="N", help="How long it is good [365].")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to put it [the CA's directory].")
@with_json
@click.pass_obj
def issue(output: Output, directory: Path, name: str, days: int, out: Path | None) -> None:
    """Make a certificate for the node called NAME, by the CA in DIR: NAME.pem and NAME.key.

    To renew it, move the old files away, issue it again, and copy the new ones over those on the node, which reads them by
    itself.
    """
    files, end = cafiles.issue(directory, name, days, out or directory, dt.datetime.now(dt.UTC))
    output.data(
        {
            "ca": str(files.ca),
            "certificate": str(files.certificate),
            "key": str(files.key),
            "expires": int(end.timestamp()),
        }
    )
    output.line(f"wrote {files.certificate} and {files.key}, good until {end:%Y-%m-%d}")
    output.line(f"Copy both and {files.ca} to {name}, and start it with its secret and:")
    output.line(f"  --tls-ca {files.ca.name} --tls-cert {files.certificate.name} --tls-key {files.key.name}")
