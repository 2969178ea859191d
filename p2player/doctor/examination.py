"""All checks, in the order in which one failing explains the next."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence

from p2player.control.client import ControlClient
from p2player.doctor.endpoint import endpoint_finding
from p2player.doctor.finding import Finding
from p2player.doctor.image import TinyImage, seeded
from p2player.doctor.node import certificate_finding, cluster_finding, disk_finding, peers_finding, ports_finding
from p2player.doctor.pulls import configuration_finding, pull_finding
from p2player.doctor.runtimes import Runtime
from p2player.errors import DaemonUnreachable, P2PlayerError
from p2player.runtime.setup.tree import DiskTree


async def examine(
    daemon: ControlClient, tree: DiskTree, runtimes: Mapping[str, Runtime], *, named: Sequence[str] = ()
) -> AsyncGenerator[Finding, None]:
    """Yield what is found, check by check. A runtime that is named, and not just found, has to be configured.

    Whoever stops early closes the generator, and nothing that a check brought in is left anywhere.
    """
    try:
        status = await daemon.status()
    except DaemonUnreachable as error:
        yield Finding("daemon", "fail", error.message, error.hint)
        return
    yield Finding("daemon", "ok", f"p2player {status.version}, node {status.node_id[:8]}")
    yield await endpoint_finding(status)
    yield await ports_finding(status)
    yield cluster_finding(status)
    if (certificate := certificate_finding(status.tls, time.time())) is not None:
        yield certificate
    yield peers_finding(await daemon.greetings())
    yield disk_finding(status)
    for name, runtime in runtimes.items():
        version = await runtime.find()
        if version is None:
            yield Finding(name, "skip", "is not here, or does not answer this user")
            continue
        yield Finding(name, "ok", f"version {version}")
        configuration = await configuration_finding(
            name, tree, status.registry, status.registry_asks, required=name in named
        )
        yield configuration.finding
        if configuration.points_here:
            image = TinyImage.make()
            try:
                async with seeded(daemon, image):
                    finding = await pull_finding(name, runtime, daemon, image)
            except P2PlayerError as error:
                finding = Finding(f"{name} pull", "fail", error.message, error.hint)
            yield finding
