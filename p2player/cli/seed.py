"""`p2player seed`: put images and files into the cluster."""

import asyncio

import click

from p2player.cli.options import configured
from p2player.cli.output import Output
from p2player.cli.progress import open_board
from p2player.config import Config
from p2player.control.client import ControlClient
from p2player.control.codec import to_json
from p2player.control.seeding import SeedProgress, seed
from p2player.oci.reference import Reference


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--as", "name", metavar="REF", help="The name of the one image there is.")
@configured()
@click.pass_obj
def command(output: Output, config: Config, sources: tuple[str, ...], name: str | None) -> None:
    """Put images or files into the cluster: all that are named come in, or none.

    \b
    SOURCE is one of
      oci:DIR[:NAME]       an OCI image layout, or one image of it
      oci-archive:FILE     a tar of one
      docker-archive:FILE  what `docker save` writes
      docker-daemon:REF    an image of the Docker daemon
      FILE                 any file, known by its digest
    """  # noqa: D301  (\b is how click keeps lines apart)
    asyncio.run(_seed(output, config, sources, Reference.parse(name) if name else None))


async def _seed(output: Output, config: Config, sources: tuple[str, ...], name: Reference | None) -> None:
    labels: dict[tuple[str, int], str] = {}
    async with ControlClient(config.data_dir) as daemon:
        with open_board(output) as board:

            def report(progress: SeedProgress) -> None:
                output.data({"event": "progress", **to_json(progress)})
                label = progress.digest.short if progress.digest else f"{progress.source} #{progress.number}"
                # A row keeps its first label: the digest may turn up only at its end.
                label = labels.setdefault((progress.source, progress.number), label)
                board.show(label, progress.state, progress.done, progress.size)

            seeded = await seed(daemon, sources, name, report)
        status = await daemon.status()
    output.data({"event": "seeded", **to_json(seeded)})
    for image in seeded.images:
        output.line(f"{image.name}  {image.digest}")
        output.line(f"  docker pull {status.registry}/{image.name}")
    for file in seeded.files:
        output.line(f"{file.path}  {file.digest}")
        output.line(f"  p2player fetch {file.digest} --output FILE")
