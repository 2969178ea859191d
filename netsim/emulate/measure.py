"""What crossed the links of an emulated rollout, what left the registry, and what the machine was used for."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netsim.emulate.links import Traffic as Crossed
from netsim.emulate.member import Member
from netsim.emulate.registry import Registry
from netsim.emulate.world import World
from netsim.image import Image
from netsim.results.run import Traffic

_LOGGED: Final = 1.0
"""Seconds after which the registry has logged what it has answered."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What the counters stood at when the clock started."""

    crossed: Mapping[int, Crossed]
    used: float
    sent: Sequence[float]

    @classmethod
    def start(cls, world: World) -> "Meter":
        """Read the counters."""
        return cls(
            {member.number: member.host.traffic() for member in world.members},
            sum(member.cpu_seconds for member in world.members),
            _copies(world.registry, world.images),
        )

    def busy(self, world: World, seconds: float) -> float:
        """Return how many percent of this machine's cores nodes have used since, in so many seconds."""
        used = sum(member.cpu_seconds for member in world.members) - self.used
        return 100 * used / seconds / len(os.sched_getaffinity(0))

    async def traffic(self, world: World) -> tuple[Traffic, ...]:
        """Return what has crossed each node's link since."""
        crossed = {member.number: member.host.traffic() for member in world.members}
        redundant = await asyncio.gather(*map(_redundant, world.members))
        return tuple(
            self._traffic(member, crossed[member.number], wasted, layers_of(world.images))
            for member, wasted in zip(world.members, redundant, strict=True)
        )

    def _traffic(self, member: Member, now: Crossed, redundant: int, layers: frozenset[str]) -> Traffic:
        before = self.crossed[member.number]
        received = now.received - before.received
        useful = sum(count for digest, count in member.received.items() if digest in layers)
        return Traffic(
            member.number, received, now.sent - before.sent, redundant, max(received - useful - redundant, 0)
        )

    async def copies(self, world: World) -> tuple[float, ...]:
        """Return how often the layers of each image have left the registry since."""
        if world.registry is None:
            return (0.0,) * len(world.images)
        await asyncio.sleep(_LOGGED)
        return tuple(now - before for now, before in zip(_copies(world.registry, world.images), self.sent, strict=True))


async def _redundant(member: Member) -> int:
    """Return the bytes of layers that a node has fetched for nothing, 0 if it cannot say any more."""
    if member.gone.is_set():
        return 0
    status = await member.status()
    return 0 if status is None else status.bytes.get("redundant", 0)


def layers_of(images: Sequence[Image]) -> frozenset[str]:
    """Return the digests of the layers of images."""
    return frozenset(digest for image in images for digest in image.layers)


def _copies(registry: Registry | None, images: Sequence[Image]) -> list[float]:
    sent = registry.blobs_sent if registry else Counter[str]()
    return [_times_sent(image, sent) for image in images]


def _times_sent(image: Image, sent: Counter[str]) -> float:
    layers = set(image.layers)
    return sum(sent[digest] for digest in layers) / sum(image.sizes[digest] for digest in layers)
