"""Whether what was announced is found, how fast, and with how many questions."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from netsim.results.run import Lookups
from netsim.scenarios.directory import Directory
from netsim.simulate.cluster import Cluster, run
from netsim.simulate.net import spread
from netsim.simulate.node import SimulatedNode
from p2player.oci.digest import Digest

T = TypeVar("T")

SIZE: Final = 1 << 20
ROOT: Final = bytes(32)
_PER_SECOND: Final = 500.0  # so many lookups and announcements begin in a second, in the whole network


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one lookup went."""

    found: bool
    hops: int
    seconds: float
    datagrams: int


def watch_lookups(directory: Directory, nodes: int, dead: float, seed: int) -> Lookups:
    """Return what becomes of lookups for providers that live, in a network of which a share has just died."""

    async def scenario(cluster: Cluster) -> Lookups:
        await cluster.settled(nodes)
        doomed = cluster.rng.sample(range(nodes), int(nodes * dead))
        survivors = sorted(set(range(nodes)) - set(doomed))
        holders = [cluster.nodes[cluster.rng.choice(survivors)] for _ in range(directory.keys)]
        await announce_all(holders)
        cluster.kill(doomed)
        return row(nodes, dead, await look_up_all(cluster, holders, survivors, directory.lookups))

    return run_in(directory, scenario, seed)


def run_in(directory: Directory, scenario: Callable[[Cluster], Coroutine[Any, Any, T]], seed: int) -> T:
    """Return what scenario returns in a cluster with the links of directory."""
    return run(scenario, seed=seed, latency=spread(*directory.latency, seed), loss=directory.loss)


async def look_up_all(
    cluster: Cluster, holders: Sequence[SimulatedNode], askers: Sequence[int], lookups: int
) -> list[Outcome]:
    """Return what becomes of lookups by any of the askers for any of the digests, whose numbers are their holders' places."""
    wanted = [cluster.rng.randrange(len(holders)) for _ in range(lookups)]
    by = [_other_than(holders[key], cluster, askers) for key in wanted]
    return await asyncio.gather(
        *(
            look_up(asker, digest_of(key), after=turn / _PER_SECOND)
            for turn, (asker, key) in enumerate(zip(by, wanted, strict=True))
        )
    )


def row(nodes: int, dead: float, outcomes: Sequence[Outcome]) -> Lookups:
    """Return these outcomes as a row of results."""
    return Lookups(
        nodes,
        dead,
        len(outcomes),
        sum(outcome.found for outcome in outcomes),
        tuple(outcome.hops for outcome in outcomes),
        tuple(outcome.seconds for outcome in outcomes),
        sum(outcome.datagrams for outcome in outcomes) / len(outcomes),
    )


def digest_of(key: int) -> Digest:
    """Return the digest of that number."""
    return Digest.of(b"layer %d" % key)


async def announce_all(holders: Sequence[SimulatedNode]) -> None:
    """Let each announce the digest whose number is its place in the list."""
    await asyncio.gather(*(_announce(holder, key, key / _PER_SECOND) for key, holder in enumerate(holders)))


async def look_up(asker: SimulatedNode, digest: Digest, *, after: float) -> Outcome:
    """Return what becomes of a lookup that begins so many seconds from now."""
    await asyncio.sleep(after)
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = await asker.look_up(digest)
    return Outcome(bool(found.providers), found.hops, loop.time() - began, found.datagrams)


async def _announce(holder: SimulatedNode, key: int, after: float) -> None:
    await asyncio.sleep(after)
    await holder.announce(digest_of(key), SIZE, ROOT, complete=True)


def _other_than(holder: SimulatedNode, cluster: Cluster, askers: Sequence[int]) -> SimulatedNode:
    while (node := cluster.nodes[cluster.rng.choice(askers)]) is holder:
        pass
    return node
