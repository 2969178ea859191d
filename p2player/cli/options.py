"""Options that several verbs share."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from p2player.cli.output import Output
from p2player.config import LOG_LEVELS, Config
from p2player.control.client import ControlClient

T = TypeVar("T")
Function = Callable[..., None]

_SETTINGS: Final[dict[str, Callable[[Function], Function]]] = {
    "data_dir": click.option("--data-dir", metavar="DIR", help="Where the node keeps everything."),
    "registry": click.option("--registry", metavar="HOST:PORT", help="Where runtimes pull from [127.0.0.1:5050]."),
    "cluster": click.option("--cluster", metavar="HOST:PORT", help="Where other nodes reach this one [port 7400]."),
    "join": click.option("--join", metavar="HOST:PORT", multiple=True, help="A node of the cluster to enter."),
    "secret_file": click.option("--secret-file", metavar="FILE", help="The secret that the nodes of a cluster share."),
    "insecure": click.option("--insecure", is_flag=True, help="Allow everybody on addresses that others can reach."),
    "log_level": click.option("--log-level", type=click.Choice(LOG_LEVELS), help="How much to log [info]."),
}


def configured(*settings: str) -> Callable[[Function], Function]:
    """Give a verb --json, --config, --data-dir and the options of these settings; it gets a Config as `config`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def verb(*arguments: Any, config_file: Path | None, **values: Any) -> None:
            flags = {key: values.pop(key) for key in ("data_dir", *settings)}
            given = {key: value for key, value in flags.items() if value not in {(), False}}
            function(*arguments, config=Config.load(given, file=config_file), **values)

        decorated: Function = verb
        for key in reversed(("data_dir", *settings)):
            decorated = _SETTINGS[key](decorated)
        decorated = click.option(
            "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings, as TOML."
        )(decorated)
        return click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_switch_to_json,
            help="Write one JSON object a line.",
        )(decorated)

    return decorate


def _switch_to_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Output).json = True


def ask(config: Config, question: Callable[[ControlClient], Awaitable[T]]) -> T:
    """Return what the daemon answers to question."""

    async def conversation() -> T:
        async with ControlClient(config.data_dir) as daemon:
            return await question(daemon)

    return asyncio.run(conversation())
