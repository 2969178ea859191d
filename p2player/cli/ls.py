"""`p2player ls`: what this node holds."""

import click

from p2player.cli.options import ask, configured
from p2player.cli.output import Output, size_text
from p2player.config import Config
from p2player.control.codec import to_json


@click.command()
@click.option("--blobs", is_flag=True, help="List every blob instead of the images.")
@configured()
@click.pass_obj
def command(output: Output, config: Config, blobs: bool) -> None:
    """List the images held here, or with --blobs every blob."""
    if blobs:
        _list_blobs(output, config)
    else:
        _list_images(output, config)


def _list_images(output: Output, config: Config) -> None:
    images = ask(config, lambda daemon: daemon.images())
    for image in images:
        output.data(to_json(image))
    output.table(
        ("NAME", "DIGEST", "SIZE", "COMPLETE"),
        [
            (image.name, image.digest.short, size_text(image.size), "yes" if image.complete else "no")
            for image in images
        ],
    )


def _list_blobs(output: Output, config: Config) -> None:
    blobs = ask(config, lambda daemon: daemon.blobs())
    for blob in blobs:
        output.data(to_json(blob))
    output.table(
        ("DIGEST", "SIZE", "TYPE"),
        [(str(blob.digest), size_text(blob.size), blob.media_type or "") for blob in blobs],
    )
