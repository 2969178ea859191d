"""`p2player serve`: run this machine's node until it is told to stop."""

import asyncio
import logging
import resource
import signal
import sys
from typing import Final

import click

from p2player.cli.howto import how_to_pull
from p2player.cli.options import configured
from p2player.cli.output import Output
from p2player.config import Config
from p2player.node import Node

_DESCRIPTORS: Final = 65_536


@click.command()
@configured(
    "registry",
    "registry_token_file",
    "registry_cert",
    "registry_key",
    "registry_client_ca",
    "cluster",
    "join",
    "secret_file",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "insecure",
    "upstream",
    "configured_only",
    "background",
    "adopt",
    "log_level",
)
@click.pass_obj
def command(output: Output, config: Config) -> None:
    """Run this machine's node: fetch and serve images for its container runtimes and for the other nodes.

    Without a secret it keeps to this machine. SIGTERM and SIGINT stop it.
    """
    logging.basicConfig(
        level=config.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    _take_descriptors()
    asyncio.run(_serve(output, config))


def _take_descriptors() -> None:
    """Let this process have as many files and connections open as it may: the usual 1024 are for programs that use select."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(output: Output, config: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    node = await Node.start(config)
    try:
        _say_ready(output, node)
        await stop.wait()
    finally:
        await node.close()


def _say_ready(output: Output, node: Node) -> None:
    output.data(
        {
            "event": "ready",
            "node_id": str(node.identity.node_id),
            "registry": node.registry_address,
            "cluster": node.cluster_address,
            "swarm": node.swarm_address,
            "data_dir": str(node.config.data_dir),
        }
    )
    output.line(f"node      {node.identity.node_id}")
    output.line(f"registry  {node.registry_address}")
    output.line(f"cluster   {node.cluster_address} (swarm {node.swarm_address})")
    output.line(f"data      {node.config.data_dir}")
    if node.config.cluster.is_loopback and node.config.secret_file is None:
        output.line("secret    none, so other machines are kept out (make one for all nodes: p2player secret new FILE)")
    output.line()
    for line in how_to_pull(node.registry_address, node.config.registry_asks):
        output.line(line)
