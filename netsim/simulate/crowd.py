"""Runs rollouts in virtual time: real nodes' decisions, over a model of the links and of libtorrent."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from netsim.results.run import Pulled, Run, Traffic
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Fault, Kill, Partition, Pull, RegistryDown, Rollout, Start
from netsim.simulate.board import Board, BoardDiscovery
from netsim.simulate.cluster import Cluster, host_of, key_of, number_of, run
from netsim.simulate.flows import REGISTRY, Flows, share
from netsim.simulate.member import Member
from netsim.simulate.net import of_zones, partition
from netsim.simulate.node import PORT, SWARM_PORT, SimulatedNode
from netsim.simulate.parameters import Parameters
from netsim.simulate.puller import fetch
from netsim.simulate.world import Blob, World
from netsim.telling import Tell
from p2player.dht.records import NodeAddress
from p2player.errors import P2PlayerError
from p2player.peer.identity import NodeId
from p2player.tasks import Tasks

if TYPE_CHECKING:
    from p2player.dht.discovery import Discovery

_LONGEST: Final = 20.0
"""Times the bound, and so many seconds more, after which what has not come is given up."""
_LONGEST_SECONDS: Final = 600.0
_TELL_EVERY: Final = 5.0


def simulate(rollout: Rollout, options: Options, *, tell: Tell, parameters: Parameters = Parameters()) -> Run:  # noqa: B008  (it is frozen)
    """Return what becomes of a rollout; the same options give the same, but for the seconds it took."""
    began = time.monotonic()

    async def scenario(cluster: Cluster) -> Run:
        return await _Crowd(cluster, rollout, options, parameters, tell).run()

    latency = of_zones(rollout.network, number_of)
    result = run(scenario, seed=options.seed, latency=latency, loss=rollout.network.loss)
    return replace(result, seconds=time.monotonic() - began)


class _Crowd:
    def __init__(
        self, cluster: Cluster, rollout: Rollout, options: Options, parameters: Parameters, tell: Tell
    ) -> None:
        self._cluster = cluster
        self._rollout = rollout
        self._options = options
        self._tell = tell
        is_many = len(rollout.network.hosts) > parameters.many
        if is_many:
            parameters = parameters.of_many()
        self._world = world = World.of(rollout, options.seed, parameters)
        round_trip = 2 * (rollout.network.latency + parameters.host_latency)
        self._board = Board(round_trip, world.rng, parameters.most_found) if is_many else None
        self._began = 0.0
        self._tasks = Tasks("crowd")
        self._cuts = ExitStack()
        self._kept = ExitStack()
        """The places that frozen nodes keep."""
        self._pulled: dict[Pull, Pulled] = {}
        self._pulling: dict[int, list[asyncio.Task[None]]] = {}
        self._traffic_before = 0
        self._there = {pull.node: asyncio.Event() for pull in rollout.pulls}
        """By node, whether it has come up."""

    async def run(self) -> Run:
        rollout, world = self._rollout, self._world
        late = {node for fault in rollout.faults if isinstance(fault, Start) for node in fault.nodes}
        count = len(rollout.network.hosts) - len(late)
        if late and min(late) < count:
            raise ValueError("nodes that come later have to have the highest numbers")
        self._tell(f"{rollout.name}: {count} nodes get to know each other")
        world.reach.stop(late)
        if self._board is None:
            for number, node in enumerate(await self._cluster.settled(count)):
                world.members[number] = self._member_of(number, node)
        else:
            world.members |= {number: self._member_at(self._board, number) for number in range(count)}
        for number in range(count):
            self._come_up(number)
        for image, nodes in rollout.holders.items():
            for number in nodes:
                await asyncio.gather(*(world.members[number].hold(b) for b in world.blobs if b.image == image))
        self._began = world.now()
        self._traffic_before = self._cluster.network.bytes
        pulls = [self._tasks.spawn(self._pull(pull), f"pull of {pull.node}") for pull in rollout.pulls]
        for task, pull in zip(pulls, rollout.pulls, strict=True):
            self._pulling.setdefault(pull.node, []).append(task)
        for fault in rollout.faults:
            self._schedule(fault)
        await self._steps(pulls)
        self._cuts.close()
        self._kept.close()
        await self._tasks.close()
        for member in world.members.values():
            member.die()
            await member.tasks.close()
        return self._result()

    async def _steps(self, pulls: Iterable[asyncio.Task[None]]) -> None:
        """Move bytes on, a step at a time, until all pulls have ended."""
        world, parameters = self._world, self._world.parameters
        phases = max(round(parameters.tick / parameters.step), 1)
        until = self._began + _LONGEST * self._rollout.bound + _LONGEST_SECONDS
        told_at, step = -_TELL_EVERY, 0
        running = list(pulls)
        while running and world.now() < until:
            await asyncio.sleep(parameters.step)
            step += 1
            self._move()
            now = world.now()
            for number in range(step % phases, len(self._rollout.network.hosts), phases):
                if (member := world.members.get(number)) is not None:
                    for fetching in tuple(member.fetches.values()):
                        fetching.tick(now)
            if step % phases == 0:
                for task in running:
                    if task.done() and not task.cancelled():
                        task.result()  # a bug must not pass for a pull that took too long
                running = [task for task in running if not task.done()]
            if world.now() - told_at >= _TELL_EVERY:
                told_at = world.now()
                self._tell(f"{self._rollout.name}: {told_at - self._began:.0f} s, {len(running)} pulls under way")

    def _move(self) -> None:
        world, now = self._world, self._world.now()
        streamed, swarmed = world.streams.flows(now), world.swarms.flows(now)
        flows = Flows(
            np.concatenate([streamed.links, swarmed.links]), np.concatenate([streamed.demand, swarmed.demand])
        )
        rates = share(world.links.capacity, flows)
        world.links.carry(flows, rates * world.parameters.step)
        count = len(streamed.demand)
        come = [*world.streams.advance(rates[:count]), *world.swarms.advance(rates[count:], now)]
        for copy in come:
            member = world.members.get(int(world.copies.node[copy]))
            fetching = member and member.fetches.get(int(world.copies.blob[copy]))
            if fetching:
                fetching.has_come()

    async def _pull(self, pull: Pull) -> None:
        world = self._world
        await asyncio.sleep(pull.at)
        began = world.now() - self._began
        error: P2PlayerError | None = None
        try:
            await asyncio.sleep(world.parameters.manifest * world.rng.uniform(0.7, 1.3))
            await self._there[pull.node].wait()
            member = world.members[pull.node]
            await self._bring_all(member, [blob for blob in world.blobs if blob.image == pull.image])
        except P2PlayerError as failure:
            error = failure
        ended = None if error else world.now() - self._began
        self._pulled[pull] = Pulled(pull.node, pull.image, began, ended, reason=error.message if error else "")

    @staticmethod
    async def _bring_all(member: Member, blobs: Iterable[Blob]) -> None:
        async def bring(blob: Blob) -> None:
            async with member.slots:
                await fetch(member, blob)

        tasks = Tasks(f"pull of node {member.number}")
        try:
            await asyncio.gather(*(tasks.spawn(bring(blob), blob.digest.short) for blob in blobs))
        finally:
            await tasks.close()

    def _schedule(self, fault: Fault) -> None:
        world = self._world
        match fault:
            case Kill(at, nodes, stay_connected):
                world.later(at, partial(self._freeze if stay_connected else self._kill, nodes))
            case Start(at, nodes):
                world.later(at, partial(self._begin_start, nodes))
            case Partition(at, until, nodes):
                world.later(at, partial(self._cut, nodes, until - at))
            case RegistryDown(at, until):
                world.later(at, partial(world.reach.stop, [REGISTRY]))
                world.later(until, partial(world.reach.start, [REGISTRY]))

    def _freeze(self, nodes: Iterable[int]) -> None:
        """Let nodes stand still: whoever they follow keeps a place for them, and who follows them is not told. A swarm is."""
        world = self._world
        still = [node for node in nodes if node in world.members]
        for node in still:
            for fetching in world.members[node].fetches.values():
                if fetching.following is not None:
                    self._kept.enter_context(fetching.following.freeze())
        self._end(still)
        world.reach.freeze(still)

    def _kill(self, nodes: Iterable[int]) -> None:
        world = self._world
        dying = [node for node in nodes if node in world.members]
        self._end(dying)
        for node in dying:
            for blob in world.blobs:
                world.drop_followers(world.copies.at(node, blob.number))

    def _end(self, dying: Sequence[int]) -> None:
        world = self._world
        if self._board is None:
            self._cluster.kill(dying)
        world.reach.stop(dying)
        for node in dying:
            member = world.members.pop(node)
            for task in self._pulling.get(node, ()):
                task.cancel()
            member.die()
            self._tasks.spawn(member.tasks.close(), "end")
            for blob in world.blobs:
                copy = world.copies.at(node, blob.number)
                world.streams.stop(copy)
                world.swarms.leave(copy)
            world.copies.lose(node)

    def _begin_start(self, nodes: Iterable[int]) -> None:
        self._tasks.spawn(self._start(nodes), "start")

    async def _start(self, nodes: Iterable[int]) -> None:
        world = self._world
        for number in nodes:
            if self._board is None:
                through = self._cluster.nodes[world.rng.choice(sorted(world.members))]
                node = await self._cluster.start(number, through=through)
                world.members[number] = self._member_of(number, node)
            else:
                world.members[number] = self._member_at(self._board, number)
            world.reach.start([number])
            self._come_up(number)

    def _come_up(self, number: int) -> None:
        if number in self._there:
            self._there[number].set()

    def _member_of(self, number: int, node: SimulatedNode) -> Member:
        return Member(number, NodeId(node.neighbour.node_id), node, self._world)

    def _member_at(self, board: Board, number: int) -> Member:
        key = key_of(self._options.seed, number)
        discovery = BoardDiscovery(board, key, NodeAddress(host_of(number), PORT, SWARM_PORT))
        # Nobody asks it for names.
        return Member(number, NodeId.of(key), cast("Discovery", discovery), self._world)

    def _cut(self, nodes: tuple[int, ...], seconds: float) -> None:
        world = self._world
        cut = ExitStack()
        cut.enter_context(self._cluster.network.rule(partition([host_of(node) for node in nodes])))
        cut.callback(world.reach.cut, nodes, 0)
        world.reach.cut(nodes, 1)
        self._cuts.callback(cut.close)
        world.later(seconds, cut.close)

    def _result(self) -> Run:
        world, rollout = self._world, self._rollout
        nodes = range(len(rollout.network.hosts))
        asked = self._board.questions * world.parameters.lookup_bytes if self._board else 0
        datagrams = int(self._cluster.network.bytes - self._traffic_before + asked) // len(nodes)
        traffic = tuple(
            Traffic(
                node,
                int(world.links.received(node)),
                int(world.links.sent(node)),
                int(world.copies.useless[node]),
                datagrams + int(world.messages[node] * world.parameters.request_bytes),
            )
            for node in nodes
        )
        sizes = [image.size for image in rollout.images]
        left = [0.0] * len(sizes)
        for blob in world.blobs:
            left[blob.image] += float(world.copies.from_registry[blob.number])
        upstream = tuple(sent / max(size, 1) for sent, size in zip(left, sizes, strict=True))
        pulls = tuple(self._outcome(pull) for pull in rollout.pulls)
        return Run(rollout.name, "simulate", self._options, pulls, traffic, upstream)

    def _outcome(self, pull: Pull) -> Pulled:
        if pull in self._pulled:
            return self._pulled[pull]
        is_lost = pull.node not in self._world.members
        reason = "its node died" if is_lost else "it took too long"
        return Pulled(pull.node, pull.image, pull.at, None, is_lost, reason)
