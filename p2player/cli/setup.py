"""`p2player setup`: point a container runtime at this machine's node."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from p2player.cli.options import Function, configured
from p2player.cli.output import Output
from p2player.config import Config, HostPort
from p2player.control.client import ControlClient
from p2player.errors import DaemonUnreachable, InvalidConfig
from p2player.runtime.engine import keeps_images_in_containerd
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.plan import RUNTIMES, Plan, plan_removal, plan_setup
from p2player.runtime.setup.probe import arguments_of, version_of
from p2player.runtime.setup.target import Target, reached
from p2player.runtime.setup.tree import DiskTree
from p2player.runtime.setup.writing import carry_out

_HTTPS: Final = "https://"


def _file(flag: str, told: str) -> Callable[[Function], Function]:
    return click.option(flag, type=click.Path(path_type=Path), metavar="FILE", help=told)


@click.command()
@click.argument("runtime", type=click.Choice(list(RUNTIMES)))
@click.option("--endpoint", metavar="[https://]HOST:PORT", help="Where the node's registry endpoint is [the daemon's].")
@click.option(
    "--registry", "registries", metavar="NAME", multiple=True, help="One more registry that podman and CRI-O mirror."
)
@_file("--token-file", "Has the token that the endpoint asks for.")
@_file("--ca", "Who signed the endpoint's certificate, if the system does not trust it.")
@_file("--client-cert", "The certificate that the endpoint asks for.")
@_file("--client-key", "Its key.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--remove", is_flag=True, help="Undo it.")
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), metavar="DIR", help="What stands for / in all paths."
)
@configured()
@click.pass_obj
def command(
    output: Output,
    config: Config,
    runtime: str,
    endpoint: str | None,
    registries: tuple[str, ...],
    token_file: Path | None,
    ca: Path | None,
    client_cert: Path | None,
    client_key: Path | None,
    dry_run: bool,
    remove: bool,
    root: Path,
) -> None:
    """Write the mirror configuration of a container runtime, so that it pulls images through this node.

    Names of images stay as they are, and while the node does not answer, the runtime pulls from the registries as before.
    What a file had is kept, and the file as it was lies beside it. --remove takes out again what was put in.
    """
    tree = DiskTree(root)
    if remove:
        plan = plan_removal(runtime, tree)
    else:
        access = Access(*map(_absolute, (token_file or config.registry_token_file, ca, client_cert, client_key)))
        place = _given(endpoint, access) if endpoint else asyncio.run(_daemons(config))
        target = Target(str(place.address), registries, version_of(runtime), asks=place.asks, access=access)
        if runtime == "docker" and tree.root == Path("/"):
            store = asyncio.run(keeps_images_in_containerd())
            target = replace(target, containerd_store=store, flags=arguments_of("dockerd"))
        plan = plan_setup(runtime, tree, target)
    if not dry_run:
        carry_out(plan, tree)
    _tell(output, runtime, plan, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an endpoint is, and what it asks for."""

    address: HostPort
    asks: tuple[str, ...]


def _given(endpoint: str, access: Access) -> _Place:
    plain = endpoint.removeprefix(_HTTPS)
    is_tls = plain != endpoint or access.ca or access.client_cert
    return _Place(HostPort.parse(plain), ("tls",) if is_tls else ())


async def _daemons(config: Config) -> _Place:
    """Return where the daemon's endpoint is reached from this machine, or that of the settings if no daemon runs."""
    try:
        async with ControlClient(config.data_dir) as daemon:
            status = await daemon.status()
            address, asks = HostPort.parse(status.registry), status.registry_asks
    except DaemonUnreachable:
        address, asks = config.registry, config.registry_asks
    if address.port == 0:
        raise InvalidConfig(
            "no daemon runs, and its endpoint may be at any port", hint="say where: --endpoint HOST:PORT"
        )
    return _Place(reached(address), asks)


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""


def _tell(output: Output, runtime: str, plan: Plan, *, dry_run: bool) -> None:
    output.data(
        {
            "event": "setup",
            "runtime": runtime,
            "dry_run": dry_run,
            "changes": [{"path": change.path, "diff": change.diff} for change in plan.changes],
            "restart": plan.restart,
            "notes": plan.notes,
        }
    )
    if not plan.changes:
        output.line("nothing to change")
    for change in plan.changes:
        if dry_run:
            output.line(change.diff.removesuffix("\n"))
        else:
            output.line(f"{'removed' if change.after is None else 'wrote'} {change.path}")
    for note in plan.notes:
        output.line(f"note: {note}")
    for command_ in plan.restart:
        output.line(f"now run: {command_}")
