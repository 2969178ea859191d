"""All that is there when the clock of an emulated rollout starts: hosts, the registry, images, and nodes that know each other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from netsim.emulate.links import Host, Hosts, Link
from netsim.emulate.member import Member
from netsim.emulate.registry import Registry
from netsim.image import Image
from netsim.noise import noise_image
from netsim.scenarios.network import Network
from netsim.scenarios.rollout import Rollout, Start
from netsim.sizes import size_text
from netsim.telling import Tell

NAME: Final = "netsim.example"
"""The registry's name, which nobody can look up."""
_AT_ONCE: Final = 4
"""How many nodes are started together: each takes most of a second of a core."""
_KNOWN: Final = 8
"""How many others a node has to know before the clock starts, where there are as many."""


@dataclass(frozen=True, slots=True)
class World:
    """Handed to whoever lets things happen in it."""

    hosts: Hosts
    members: Sequence[Member]
    """By their number, those included that are started later."""
    images: Sequence[Image]
    registry: Registry | None
    registry_host: Host | None

    @property
    def doors(self) -> list[str]:
        """Where those that live can be joined, a few of them."""
        return [member.address for member in self.members if member.is_up.is_set() and not member.gone.is_set()][:3]


def reference_of(image: int) -> str:
    """Return what an image is called by its number."""
    return f"{NAME}/{_repository(image)}"


def _repository(image: int) -> str:
    return f"team/app-{image}:1"


@asynccontextmanager
async def world_of(rollout: Rollout, rng: Random, directory: Path, tell: Tell) -> AsyncIterator[World]:
    """Make all that a rollout begins with, below a directory. Nothing of it runs when the context ends.

    Raises ProgramError if anything does not start.
    """
    with ExitStack() as running:
        tell(f"making {', '.join(size_text(image.size) for image in rollout.images)} of noise")
        images = [
            noise_image(directory / f"image{number}", image.layers, rng) for number, image in enumerate(rollout.images)
        ]
        tell(f"making {len(rollout.network.hosts)} hosts")
        hosts = running.enter_context(_hosts(rollout.network))
        registry, registry_host = None, None
        if rollout.network.registry is not None:
            registry_host = hosts.hosts[-1]
            registry = running.enter_context(_registry(directory / "registry", registry_host))
            for number, image in enumerate(images):
                registry.fill(image, _repository(number))
        members = _members(rollout, hosts, directory, registry)
        for member in members:
            running.callback(member.kill)
        world = World(hosts, members, images, registry, registry_host)
        later = {node for fault in rollout.faults if isinstance(fault, Start) for node in fault.nodes}
        await _start(world, [member for member in members if member.number not in later], tell)
        for number, nodes in rollout.holders.items():
            for node in nodes:
                tell(f"node {node} takes in image {number}")
                members[node].seed(images[number].layout, reference_of(number))
        yield world


def _hosts(network: Network) -> Hosts:
    links = [Link(host.rate, host.zone) for host in network.hosts]
    if network.registry is not None:
        links.append(Link(network.registry))
    return Hosts.of(links, between_zones=network.between_zones)


def _registry(root: Path, host: Host) -> Registry:
    root.mkdir()
    return Registry(root, host=host)


def _members(rollout: Rollout, hosts: Hosts, directory: Path, registry: Registry | None) -> list[Member]:
    arguments = () if registry is None else ("--upstream", f"{NAME}={registry.url}")
    return [
        Member(number, host, directory / f"n{number}", arguments, lie=rollout.liars.get(number))
        for number, host in enumerate(hosts.hosts[: len(rollout.network.hosts)])
    ]


async def _start(world: World, members: Sequence[Member], tell: Tell) -> None:
    """Start nodes, a few at a time, and wait until all know others."""
    first, *others = members
    tell(f"starting {len(members)} nodes")
    first.start([])
    await first.ready(0)
    for start in range(0, len(others), _AT_ONCE):
        wave = others[start : start + _AT_ONCE]
        for member in wave:
            member.start(world.doors)
        await asyncio.gather(*(member.ready(1) for member in wave))
    tell("waiting until they know each other")
    await asyncio.gather(*(member.ready(min(len(others), _KNOWN)) for member in members))
