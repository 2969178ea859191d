"""Makes a cluster of simulated nodes, so that a scenario is ten lines.

    async def scenario(cluster: Cluster) -> int:
        nodes = await cluster.grow(100)
        await nodes[3].announce(digest, 1, bytes(32), complete=True)
        with cluster.network.rule(partition([nodes[3].host])):
            return len(await nodes[5].find(digest))

    run(scenario, seed=1)

The same seed gives the same run, in another process too.
"""

import asyncio
import gc
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from random import Random
from typing import Any, Final, TypeVar

from netsim.simulate.acquaintances import KNOWN_OF_A_PART, Acquaintances
from netsim.simulate.datagrams import size_of
from netsim.simulate.loop import VirtualTimeLoop
from netsim.simulate.net import DatagramNetwork, Latency, spread
from netsim.simulate.node import SimulatedNode
from p2player.dht.lookup import WIDTH
from p2player.dht.records import Provider
from p2player.dht.wire import Neighbour
from p2player.oci.digest import Digest
from p2player.peer.identity import SimulatedIdentity
from p2player.tasks import Tasks

EPOCH_MS: Final = 1_800_000_000_000
"""The time in a cluster when a simulation begins."""

T = TypeVar("T")


class Cluster:
    """Nodes on a network in memory, in virtual time. Node n is always at the same host, with the same identity."""

    def __init__(self, seed: int, *, latency: Latency | None = None, loss: float = 0.0) -> None:
        self.seed = seed
        self.rng = self.random("scenario")
        self._latency = latency or spread(0.005, 0.05, seed)
        self.network = DatagramNetwork(self.random("network"), self._latency, loss=loss, size=_size_of)
        self.nodes: dict[int, SimulatedNode] = {}
        """Those alive, by their number."""
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks("cluster")
        self._all = Acquaintances([])

    def random(self, purpose: str) -> Random:
        """Return the random numbers for one purpose, which do not depend on how many others were drawn."""
        return Random(f"{self.seed} {purpose}")

    def now_ms(self) -> int:
        """Return the time in the cluster, in milliseconds since the epoch."""
        return EPOCH_MS + int(self._loop.time() * 1000)

    async def start(self, number: int, *, through: SimulatedNode | None = None) -> SimulatedNode:
        """Return node number, which now runs, and has joined through another if one is given."""
        node = SimulatedNode(
            host_of(number),
            SimulatedIdentity(key_of(self.seed, number)),
            now_ms=self.now_ms,
            open_datagrams=self.network.open,
            rng=self.random(f"node {number}"),
        )
        await node.listen()
        self.nodes[number] = node
        if through is not None:
            await node.join([through.address])
        return node

    async def grow(self, count: int) -> list[SimulatedNode]:
        """Return the nodes 0 to count - 1, each of which has joined through one of those before it."""
        for number in range(count):
            await self.start(number, through=self.nodes[self.rng.randrange(number)] if number else None)
        return list(self.nodes.values())

    async def settled(self, count: int, *, of_a_part: int = KNOWN_OF_A_PART) -> list[SimulatedNode]:
        """Return the nodes 0 to count - 1, which know each other as if all had joined.

        Their tables are filled in from the list of nodes, for 10,000 joins would take longer than what follows.
        """
        nodes = [await self.start(number) for number in range(count)]
        self._all = Acquaintances([node.neighbour for node in nodes])
        for node in nodes:
            node.know(self._all.of(node.neighbour, self.rng, of_a_part=of_a_part), self._latency)
        return nodes

    async def settle(self, holder: SimulatedNode, digests: Iterable[Digest], size: int) -> None:
        """Let holder, of a settled network, have announced digests a while ago, without the time that it would take now."""
        await holder.has_announced(digests, size, partial(self._keep, holder))

    def kill(self, numbers: Iterable[int]) -> None:
        """Let nodes fall silent without a word."""
        for number in numbers:
            node = self.nodes.pop(number)
            self.network.unplug(node.address)
            self._tasks.spawn(node.die(), f"end of node {number}")

    async def close(self) -> None:
        """End all nodes."""
        await self._tasks.close()
        for node in self.nodes.values():
            await node.die()

    def _keep(self, holder: SimulatedNode, record: Provider) -> list[Neighbour]:
        holder.take_in(record)
        keepers = self._all.nearest(record.key, WIDTH)
        for keeper in keepers:
            self.nodes[number_of(keeper.address.host)].take_in(record)
        return keepers


def run(
    scenario: Callable[[Cluster], Coroutine[Any, Any, T]],
    *,
    seed: int,
    latency: Latency | None = None,
    loss: float = 0.0,
) -> T:
    """Return what scenario returns, run in virtual time in a cluster without nodes."""

    async def main() -> T:
        cluster = Cluster(seed, latency=latency, loss=loss)
        try:
            return await scenario(cluster)
        finally:
            await cluster.close()

    with _without_collections(), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def _size_of(datagram: Any) -> int:
    return size_of(datagram.message)


def key_of(seed: int, number: int) -> bytes:
    """Return the public key of node number."""
    return hashlib.sha256(f"{seed} identity {number}".encode()).digest()


def host_of(number: int) -> str:
    """Return the address of node number."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@lru_cache(maxsize=1 << 14)
def number_of(host: str) -> int:
    """Return the number of the node with that address."""
    _, high, middle, low = host.split(".")
    return int(high) << 16 | int(middle) << 8 | int(low)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep the garbage collector from walking over millions of objects that live on, again and again."""
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
