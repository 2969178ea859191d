"""What all simulated nodes of a rollout share: the clock, the links, who reaches whom, what everybody has."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from netsim.scenarios.rollout import Lie, Rollout
from netsim.simulate.chain import Streams
from netsim.simulate.cluster import number_of
from netsim.simulate.copies import Copies
from netsim.simulate.flows import REGISTRY, Links
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from netsim.simulate.swarm import Swarms
from p2player.oci.digest import Digest
from p2player.pull.journal import Journal
from p2player.swarm.realm import OPEN

if TYPE_CHECKING:
    from netsim.simulate.member import Member
    from p2player.peer.standing import Neighbour
    from p2player.pull.fetch.holders import Holder

REALM: Final = OPEN


class Silence(Journal):
    """Keeps nothing: ten thousand nodes have much to tell, and nobody asks."""

    def add(self, digest: Digest, what: str) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer: its number among all layers of all images, and what it would be called."""

    number: int
    image: int
    digest: Digest
    size: int
    root: bytes


def blobs_of(rollout: Rollout, seed: int) -> tuple[Blob, ...]:
    """Return all layers of a rollout's images, an image after the other."""
    blobs: list[Blob] = []
    for image, content in enumerate(rollout.images):
        for size in content.layers:
            name = f"{seed} {rollout.name} {len(blobs)}".encode()
            root = hashlib.sha256(b"root " + name).digest()
            digest = Digest("sha256", hashlib.sha256(name).hexdigest())
            blobs.append(Blob(len(blobs), image, digest, size, root))
    return tuple(blobs)


@dataclass(slots=True)
class World:
    """Handed to every simulated node."""

    parameters: Parameters
    blobs: tuple[Blob, ...]
    has_registry: bool
    lies: Mapping[int, Lie]
    links: Links
    reach: Reach
    copies: Copies
    streams: Streams
    swarms: Swarms
    rng: Random
    messages: list[int]
    """By node, requests and answers that it has received on the peer interface."""
    members: "dict[int, Member]" = field(default_factory=dict)
    """Those alive, by their number."""
    silence: Silence = field(default_factory=Silence)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    """Kept, for asking for it takes a system call each time."""

    @classmethod
    def of(cls, rollout: Rollout, seed: int, parameters: Parameters) -> "World":
        """Return the world of a rollout before it begins, with nobody in it."""
        blobs = blobs_of(rollout, seed)
        nodes = len(rollout.network.hosts)
        links, reach = Links(rollout.network, parameters.efficiency), Reach(nodes)
        copies = Copies(nodes, [blob.size for blob in blobs])
        return cls(
            parameters,
            blobs,
            rollout.network.registry is not None,
            rollout.liars,
            links,
            reach,
            copies,
            Streams(copies, links, reach, parameters),
            Swarms(copies, links, reach, parameters, seed),
            Random(f"{seed} world"),
            [0] * nodes,
        )

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return self._loop.time()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something when so much time has passed."""
        self._loop.call_later(seconds, call)

    def way(self, first: int, second: int) -> float:
        """Return what a message takes from one node to another, the two programs included."""
        return self.links.delay(first, second) + self.parameters.host_latency

    def heard(self, node: int) -> None:
        """Count a message that a node has received."""
        self.messages[node] += 1

    def number_of(self, neighbour: "Neighbour") -> int:
        """Return which node that is."""
        return number_of(neighbour.host)

    def number_of_holder(self, holder: "Holder") -> int:
        """Return which node that is."""
        neighbour = holder.neighbour
        if neighbour is None:
            raise ValueError("a foreign BitTorrent client has no place here")
        return self.number_of(neighbour)

    def drop_followers(self, copy: int) -> None:
        """Break off the connections of those who take a blob from this copy."""
        for index in self.streams.followers(copy):
            member = self.members.get(int(self.copies.node[index]))
            if member is not None:
                member.source_gone(int(self.copies.blob[index]))

    def can_fetch(self, node: int) -> bool:
        """Tell whether the registry answers a node."""
        return self.has_registry and self.reach.between(REGISTRY, node)
