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
    "registry_token_file": click.option(
        "--registry-token-file", metavar="FILE", help="Tokens, one of which a client of the endpoint has to show."
    ),
    "registry_cert": click.option("--registry-cert", metavar="FILE", help="The endpoint's certificate, for TLS."),
    "registry_key": click.option("--registry-key", metavar="FILE", help="Its key."),
    "registry_client_ca": click.option(
        "--registry-client-ca",
        metavar="FILE",
        help="Who has to have signed the certificates of the endpoint's clients.",
    ),
    "cluster": click.option("--cluster", metavar="HOST:PORT", help="Where other nodes reach this one [port 7400]."),
    "join": click.option("--join", metavar="HOST:PORT", multiple=True, help="A node of the cluster to enter."),
    "secret_file": click.option("--secret-file", metavar="FILE", help="The secret that the nodes of a cluster share."),
    "tls_ca": click.option(
        "--tls-ca", metavar="FILE", help="The CA of the nodes' certificates, instead of a derived one."
    ),
    "tls_cert": click.option("--tls-cert", metavar="FILE", help="This node's certificate, by that CA."),
    "tls_key": click.option("--tls-key", metavar="FILE", help="Its key."),
    "insecure": click.option(
        "--insecure", is_flag=True, default=None, help="Allow everybody on addresses that others can reach."
    ),
    "upstream": click.option(
        "--upstream", metavar="NAME=URL", multiple=True, help="Where a registry, or a mirror of it, answers."
    ),
    "configured_only": click.option(
        "--configured-only", is_flag=True, default=None, help="Ask no registry that was not configured."
    ),
    "background": click.option(
        "--no-background",
        "background",
        flag_value=False,
        default=None,
        help="End a fetch that nobody waits for any more.",
    ),
    "adopt": click.option(
        "--adopt", metavar="containerd[=ROOT]", multiple=True, help="A runtime whose blobs are offered as they lie."
    ),
    "log_level": click.option("--log-level", type=click.Choice(LOG_LEVELS), help="How much to log [info]."),
}


def _switch_to_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Output).json = True


with_json: Final = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_switch_to_json,
    help="Write one JSON object a line.",
)
"""Gives a verb --json."""


def configured(*settings: str) -> Callable[[Function], Function]:
    """Give a verb --json, --config, --data-dir and the options of these settings; it gets a Config as `config`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def verb(*arguments: Any, config_file: Path | None, **values: Any) -> None:
            flags = {key: values.pop(key) for key in ("data_dir", *settings)}
            given = {key: value for key, value in flags.items() if value != ()}
            function(*arguments, config=Config.load(given, file=config_file), **values)

        decorated: Function = verb
        for key in reversed(("data_dir", *settings)):
            decorated = _SETTINGS[key](decorated)
        decorated = click.option(
            "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings, as TOML."
        )(decorated)
        return with_json(decorated)

    return decorate


def ask(config: Config, question: Callable[[ControlClient], Awaitable[T]]) -> T:
    """Return what the daemon answers to question."""

    async def conversation() -> T:
        async with ControlClient(config.data_dir) as daemon:
            return await question(daemon)

    return asyncio.run(conversation())
