"""What it costs to pull through a p2player that has nothing and no peer, against pulling from the registry itself."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from random import SystemRandom
from typing import Final

from bench.figures import SECONDS, Figure, Outcome, Plain, Samples, Skipped, TimesPlain
from bench.workspace import Workspace
from netsim.emulate.debian import debian_image
from netsim.emulate.links import Hosts
from netsim.emulate.needs import missing, not_root
from netsim.emulate.processes import ProgramError
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Containerd, Mirrored
from netsim.image import Image
from netsim.noise import noise_image
from netsim.sizes import MIB, size_text

_LAYERS: Final = 5
_LARGEST: Final = 256 * MIB
_REPOSITORY: Final = "team/app:1"
_NEAR: Final = ("registry across 1 Gbit/s", 1000.0)
_HERE: Final = ("registry on the same machine", None)
_LIMIT: Final = TimesPlain(1 / 1.05)


def no_peer(workspace: Workspace) -> Iterator[Outcome]:
    """Yield the seconds that containerd takes to pull and unpack an image, each way in turn. A new node each time."""
    size = min(workspace.size, _LARGEST)
    if reason := not_root() or missing("ip", "tc", "docker-registry", "skopeo", "containerd", "ctr", "unshare"):
        yield Skipped("an image by containerd, no peer", reason)
        return
    workspace.say("no-peer: making images")
    noise = noise_image(workspace.path("image"), (size // _LAYERS,) * _LAYERS, SystemRandom())
    yield from _figures(workspace, f"{size_text(size)} of noise", noise, (_NEAR, _HERE))
    try:
        debian = debian_image()
    except ProgramError as error:
        yield Skipped("a Debian image by containerd, no peer", str(error).splitlines()[0])
        return
    what = f"a Debian image, {size_text(debian.total // MIB * MIB)} packed"
    yield from _figures(workspace, what, debian, (_NEAR, _HERE))


def _figures(
    workspace: Workspace, what: str, image: Image, places: Sequence[tuple[str, float | None]]
) -> Iterator[Figure]:
    for place, rate in places:
        root = workspace.directory_for("registry")
        with Hosts(2, rate_mbit=rate) as net, Registry(root, host=net.hosts[0]) as registry:
            registry.fill(image, _REPOSITORY)
            with net.hosts[1].entered():
                yield _compare(workspace, f"{what}, by containerd, no peer, {place}", registry)
        shutil.rmtree(root)


def _compare(workspace: Workspace, subject: str, registry: Registry) -> Figure:
    ours, plain = [], []
    for number in range(1, workspace.runs + 1):
        workspace.say(f"no-peer: {subject}: round {number} of {workspace.runs}")
        # Each half comes first in every other round, since the machine may not be the same after the first one.
        for through in (False, True) if number % 2 else (True, False):
            if through:
                ours.append(_through(workspace, registry))
            else:
                plain.append(_pull(workspace, registry))
    return Figure(subject, SECONDS, Samples.of(ours), Plain("containerd, direct", Samples.of(plain)), _LIMIT)


def _through(workspace: Workspace, registry: Registry) -> float:
    with workspace.daemon("--upstream", f"{registry.name}={registry.url}") as node:
        seconds = _pull(workspace, registry, Mirrored(registry.name, registry.url, node.registry))
        if not node.status().upstream:
            raise ProgramError(f"containerd went past the node\n{node.log}")
        return seconds


def _pull(workspace: Workspace, registry: Registry, *mirrored: Mirrored) -> float:
    """Return the seconds that a new containerd takes."""
    root = workspace.directory_for("containerd")
    with Containerd(root, mirrored) as runtime:
        os.sync()
        began = time.perf_counter()
        runtime.pull(f"{registry.name}/{_REPOSITORY}")
        seconds = time.perf_counter() - began
    shutil.rmtree(root)
    return seconds
