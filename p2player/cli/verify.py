"""`p2player verify`: hash everything again."""

import asyncio

import click

from p2player.cli.options import configured
from p2player.cli.output import Output, size_text
from p2player.cli.progress import open_board
from p2player.config import Config
from p2player.control.client import ControlClient
from p2player.control.messages import event_to_json
from p2player.errors import IntegrityError


@click.command()
@configured()
@click.pass_obj
def command(output: Output, config: Config) -> None:
    """Hash every blob held here again. Damaged ones are taken out, and the exit code is then 4."""
    asyncio.run(_verify(output, config))


async def _verify(output: Output, config: Config) -> None:
    count = done = damaged = 0
    async with ControlClient(config.data_dir) as daemon:
        total = sum(blob.size for blob in await daemon.blobs())
        with open_board(output) as board:
            async for checked in daemon.verify():
                output.data(event_to_json(checked))
                count += 1
                done += checked.size
                damaged += not checked.ok
                board.show("verify", "hashing", done, total)
                if checked.reason:
                    output.line(f"{checked.digest}: {checked.reason}")
    output.line(f"{count} blobs, {size_text(done)}: {damaged or 'none'} damaged")
    if damaged:
        raise IntegrityError(
            f"{damaged} of {count} blobs were damaged and are no longer held",
            hint="pull their images again; what was damaged is kept in the directory `quarantine`",
        )
