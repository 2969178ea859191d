"""What nodes have to do for the directory: requests to answer, records to keep, datagrams and memory."""

import asyncio
from collections.abc import Sequence
from typing import Final

from netsim.results.run import Load, Lookups
from netsim.scenarios.directory import Directory
from netsim.simulate.cluster import Cluster
from netsim.simulate.lookups import ROOT, SIZE, Outcome, digest_of, look_up, look_up_all, row, run_in
from netsim.simulate.node import SimulatedNode
from p2player.tasks import loop_time

_WEIGHED: Final = 4  # nodes; how much memory one takes differs little from the next


def watch_hot_key(directory: Directory, nodes: int, seed: int) -> tuple[Lookups, Load]:
    """Return what becomes of a digest that all nodes want within `seconds`, and who bears the load.

    At first a few have it. Each node announces it when it has found somebody who does, as one that begins to fetch it.
    """
    digest = digest_of(0)

    async def comes(node: SimulatedNode, after: float) -> Outcome:
        outcome = await look_up(node, digest, after=after)
        await node.announce(digest, SIZE, ROOT, complete=False)
        return outcome

    async def scenario(cluster: Cluster) -> tuple[Lookups, Load]:
        everybody = await cluster.settled(nodes)
        holders = everybody[: directory.providers]
        for holder in holders:
            await cluster.settle(holder, [digest], SIZE)
        coming = everybody[directory.providers :]
        cluster.rng.shuffle(coming)
        before = cluster.network.bytes
        outcomes = await asyncio.gather(
            *(comes(node, turn * directory.seconds / nodes) for turn, node in enumerate(coming))
        )
        sent = cluster.network.bytes - before
        return row(nodes, 0.0, outcomes), _load(cluster, 1, sent, loop_time())

    return run_in(directory, scenario, seed)


def watch_many_keys(directory: Directory, nodes: int, seed: int) -> tuple[Lookups, Load]:
    """Return how the records of many digests are spread over nodes, and what becomes of lookups for some of them."""

    async def scenario(cluster: Cluster) -> tuple[Lookups, Load]:
        everybody = await cluster.settled(nodes)
        holders = [cluster.rng.choice(everybody) for _ in range(directory.keys)]
        for key, holder in enumerate(holders):
            await cluster.settle(holder, [digest_of(key)], SIZE)
        before = cluster.network.bytes
        outcomes = await look_up_all(cluster, holders, range(nodes), directory.lookups)
        sent = cluster.network.bytes - before
        return row(nodes, 0.0, outcomes), _load(cluster, directory.keys, sent, loop_time())

    return run_in(directory, scenario, seed)


def watch_steady_state(directory: Directory, nodes: int, seed: int) -> Load:
    """Return what it costs that each node keeps `keys` digests of its own announced, and answers for those of others."""

    async def scenario(cluster: Cluster) -> Load:
        # Who gets to know twice as many places all records again, which is over when a network is as old as this one.
        everybody = await cluster.settled(nodes, of_a_part=nodes)
        for number, node in enumerate(everybody):
            own = range(number * directory.keys, (number + 1) * directory.keys)
            await cluster.settle(node, map(digest_of, own), SIZE)
        answered = [node.answered for node in everybody]
        before = cluster.network.bytes
        await asyncio.sleep(directory.seconds)
        sent = cluster.network.bytes - before
        memory = sum(node.directory_bytes for node in everybody[:_WEIGHED]) / len(everybody[:_WEIGHED])
        return _load(cluster, nodes * directory.keys, sent, directory.seconds, memory=memory, before=answered)

    return run_in(directory, scenario, seed)


def _load(
    cluster: Cluster, keys: int, sent: int, seconds: float, *, memory: float = 0.0, before: Sequence[int] = ()
) -> Load:
    """Return the load of a cluster in which so many bytes were sent within so many seconds: each one leaves and arrives."""
    nodes = list(cluster.nodes.values())
    return Load(
        len(nodes),
        keys,
        tuple(node.answered - was for node, was in zip(nodes, before or [0] * len(nodes), strict=True)),
        tuple(node.kept for node in nodes),
        2 * sent / seconds / len(nodes),
        memory,
    )
