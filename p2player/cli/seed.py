"""`p2player seed`: put images and files into the cluster."""

import asyncio

import click

from p2player.cli.options import configured
from p2player.cli.output import Output
from p2player.cli.progress import SeedRows, open_board
from p2player.cli.seedall import choose_engines, offer_all
from p2player.config import Config
from p2player.control.client import ControlClient
from p2player.control.codec import to_json
from p2player.control.seeding import seed
from p2player.oci.reference import Reference


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option("--as", "name", metavar="REF", help="The name of the one image there is.")
@click.option("--all", "everything", is_flag=True, help="All tagged images of container engines: SOURCE, or all found.")
@click.option("--follow", is_flag=True, help="With --all: stay, offer what comes there and withdraw what goes.")
@configured()
@click.pass_obj
def command(
    output: Output, config: Config, sources: tuple[str, ...], name: str | None, everything: bool, follow: bool
) -> None:
    """Put images or files into the cluster: all that are named come in, or none.

    \b
    SOURCE is one of
      oci:DIR[:NAME]       an OCI image layout, or one image of it
      oci-archive:FILE     a tar of one
      docker-archive:FILE  what `docker save` writes
      docker-daemon:REF    an image of the Docker daemon
      podman:REF           an image of podman
      containerd:REF       an image of containerd; containerd@NAMESPACE:REF
      FILE                 any file, known by its digest

    With --all a SOURCE is docker, podman or containerd. Each of their images comes in under its own names, or fails for
    itself. The whole cluster may then have them, private ones too.
    """  # noqa: D301  (\b is how click keeps lines apart)
    if everything:
        if name:
            raise click.UsageError("--as names one image, and --all means many")
        asyncio.run(offer_all(output, config, choose_engines(sources), follow=follow))
        return
    if follow or not sources:
        raise click.UsageError("--follow needs --all" if follow else "give a SOURCE, or --all")
    asyncio.run(_seed(output, config, sources, Reference.parse(name) if name else None))


async def _seed(output: Output, config: Config, sources: tuple[str, ...], name: Reference | None) -> None:
    async with ControlClient(config.data_dir) as daemon:
        with open_board(output) as board:
            seeded = await seed(daemon, sources, name, SeedRows(output, board).show)
        status = await daemon.status()
    output.data({"event": "seeded", **to_json(seeded)})
    for image in seeded.images:
        output.line(f"{image.name}  {image.digest}")
        output.line(f"  docker pull {status.registry}/{image.name}")
    for file in seeded.files:
        output.line(f"{file.path}  {file.digest}")
        output.line(f"  p2player fetch {file.digest} --output FILE")
