"""The faults of a rollout, each at its time, in an emulated world. What has an end is lifted however the rollout ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from netsim.emulate.world import World
from netsim.scenarios.rollout import Fault, Kill, Partition, RegistryDown, Start
from netsim.telling import Tell

At = Callable[[float], Awaitable[None]]
"""Waits until so many seconds of the scenario have passed."""


async def strike(world: World, fault: Fault, at: At, tell: Tell) -> None:
    """Let a fault happen. Raises ProgramError if a node that is to come up does not."""
    await at(fault.at)
    match fault:
        case Kill():
            tell(f"killing {_many(fault.nodes)}")
            for node in fault.nodes:
                member = world.members[node]
                member.freeze() if fault.stay_connected else member.kill()
        case Start():
            tell(f"starting {_many(fault.nodes)}")
            members = [world.members[node] for node in fault.nodes]
            for member in members:
                member.start(world.doors)
            await asyncio.gather(*(member.ready(1) for member in members))
        case Partition():
            tell(f"cutting {_many(fault.nodes)} off from the others")
            with world.hosts.parted([world.members[node].host for node in fault.nodes]):
                await at(fault.until)
            tell("the network is whole again")
        case RegistryDown():
            tell("the registry answers nobody")
            # To stop the program would not do: what it has given the kernel to send would go on for a while.
            with world.registry_host.unplugged() if world.registry_host else nullcontext():
                await at(fault.until)
            tell("the registry answers again")


def _many(nodes: tuple[int, ...]) -> str:
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
