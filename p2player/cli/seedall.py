"""`p2player seed --all`: offer all that the container engines of this machine have."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress

from p2player.cli.output import Output
from p2player.cli.progress import Quiet, SeedRows, open_board
from p2player.config import Config
from p2player.control.client import ControlClient
from p2player.control.codec import error_to_json
from p2player.control.offering import Offered, Offering
from p2player.errors import BadInput, DaemonUnreachable, P2PlayerError
from p2player.runtime.images import ENGINES, Engine
from p2player.tasks import Tasks

_STATES = {"seeded": "offered", "present": "offered already", "withdrawn": "withdrawn, it is gone there"}


def choose_engines(names: Sequence[str]) -> list[Engine]:
    """Return the engines of these names, or all that are on this machine. Raises BadInput, DaemonUnreachable."""
    if unknown := [name for name in names if name not in ENGINES]:
        raise BadInput(
            f"--all knows no engine {unknown[0][:200]!r}", hint=f"name {', '.join(ENGINES)}, or none for all"
        )
    if names:
        return [ENGINES[name] for name in dict.fromkeys(names)]
    found = []
    for engine in ENGINES.values():
        with suppress(DaemonUnreachable):  # a Docker daemon elsewhere is none of this machine
            if engine.is_here():
                found.append(engine)
    if not found:
        raise DaemonUnreachable(f"none of {', '.join(ENGINES)} is here", hint="start one, or seed an archive")
    return found


async def offer_all(output: Output, config: Config, engines: Sequence[Engine], *, follow: bool) -> None:
    """Offer what engines have and, to follow, stay until SIGINT or SIGTERM. Raises what the first failed image met."""
    failures: list[P2PlayerError] = []

    def told(offered: Offered) -> None:
        if offered.error:
            failures.append(offered.error)
        _tell(output, offered)

    # Bars are for something that comes to an end.
    with Quiet() if follow else open_board(output) as board:
        async with ControlClient(config.data_dir) as daemon:
            rows = SeedRows(output, board)
            offerings = [Offering(daemon, engine, told=told, progress=rows.show) for engine in engines]
            if follow:
                await _follow(offerings)
                return
            for offering in offerings:
                await offering.offer()
    if failures:
        raise failures[0]


async def _follow(offerings: Sequence[Offering]) -> None:
    # It warns of a program that ends while it is being started, as all do once this is told to stop.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    tasks = Tasks("seed --all")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = tasks.spawn(stop.wait(), "stop")
    following = [tasks.spawn(offering.follow(), "follow") for offering in offerings]
    try:
        done, _ = await asyncio.wait([stopped, *following], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        await tasks.close()


def _tell(output: Output, offered: Offered) -> None:
    error = offered.error
    members = {"event": offered.state, "engine": offered.engine, "name": offered.name}
    if offered.digest:
        members["digest"] = str(offered.digest)
    output.data({**members, **(error_to_json(error) if error else {})})
    match offered.state:
        case "absent":
            output.line(f"{offered.engine}: does not answer, and is waited for: {error}")
        case "back":
            output.line(f"{offered.engine}: answers again")
        case "failed":
            output.line(f"{offered.engine}: {offered.name}  failed: {error}")
        case state:
            output.line(f"{offered.engine}: {offered.name}  {_STATES[state]}")
