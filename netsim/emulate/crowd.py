"""A rollout with real daemons over real links: what is described happens, at its times, and is measured."""

import asyncio
import os
import signal
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from netsim.emulate.measure import Meter
from netsim.emulate.member import Member
from netsim.emulate.needs import CannotEmulateError, require
from netsim.emulate.strikes import strike
from netsim.emulate.world import World, reference_of, world_of
from netsim.results.run import Pulled, Run
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Pull, Rollout
from netsim.telling import Tell
from p2player.errors import DaemonUnreachable, P2PlayerError
from p2player.tasks import Tasks

_TOOLS: Final = ("ip", "tc", "nsenter", "setpriv", "unshare")
_PATIENCE: Final = 60.0
"""Seconds that are waited for pulls that do not end, beside a multiple of the time that is the least."""
_TIMES_BOUND: Final = 5.0


def emulate(rollout: Rollout, options: Options, *, tell: Tell) -> Run:
    """Return what has become of a rollout. Nothing of it is left on this machine, however it ends.

    Raises CannotEmulateError without root or tools, ProgramError if anything does not start.
    """
    require(*_TOOLS, *(("docker-registry", "skopeo") if rollout.network.registry is not None else ()))
    if rollout.network.loss:
        raise CannotEmulateError(
            f"links that lose datagrams cannot be emulated here: {rollout.name}", hint="simulate it instead"
        )
    began = time.perf_counter()
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="p2net-", ignore_cleanup_errors=True) as directory:
        run = asyncio.run(_run(rollout, options, Path(directory), tell, began))
    tell("done")
    return run


async def _run(rollout: Rollout, options: Options, directory: Path, tell: Tell, began: float) -> Run:
    async with world_of(rollout, Random(options.seed), directory, tell) as world:
        # What was written on the way here must not be waited for later.
        os.sync()
        meter = Meter.start(world)
        clock = _Clock(world, rollout, tell)
        pulls = await clock.run()
        busy = meter.busy(world, clock.now())
        traffic = await meter.traffic(world)
        return Run(
            rollout.name,
            "emulate",
            options,
            pulls,
            traffic,
            await meter.copies(world),
            busy=busy,
            seconds=time.perf_counter() - began,
        )


class _Clock:
    """Lets pulls and faults happen, each at its time."""

    def __init__(self, world: World, rollout: Rollout, tell: Tell) -> None:
        self._world = world
        self._rollout = rollout
        self._tell = tell
        self._tasks = Tasks("rollout")
        self._began = time.monotonic()

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    async def at(self, seconds: float) -> None:
        """Wait until so many seconds have passed."""
        await asyncio.sleep(seconds - self.now())

    async def run(self) -> tuple[Pulled, ...]:
        """Return how the pulls went, in the rollout's order, once all have ended or nobody waits for them any more."""
        rollout = self._rollout
        self._tell(f"{len(rollout.pulls)} pulls")
        self._began = time.monotonic()
        tasks = self._tasks
        pulling = [tasks.spawn(self._pull(pull), f"pull by {pull.node}") for pull in rollout.pulls]
        striking = [tasks.spawn(strike(self._world, fault, self.at, self._tell), "fault") for fault in rollout.faults]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._longest):
                    await _all_of(pulling, striking)
            return tuple(
                task.result() if task.done() else self._unfinished(pull)
                for task, pull in zip(pulling, rollout.pulls, strict=True)
            )
        finally:
            await tasks.close()

    @property
    def _longest(self) -> float:
        rollout = self._rollout
        times = [pull.at for pull in rollout.pulls]
        times += [getattr(fault, "until", fault.at) for fault in rollout.faults]
        return max(times) + _TIMES_BOUND * rollout.bound + _PATIENCE

    async def _pull(self, pull: Pull) -> Pulled:
        await self.at(pull.at)
        member = self._world.members[pull.node]
        if not member.gone.is_set():
            await member.is_up.wait()
        began = self.now()
        try:
            await self._unless_gone(member, member.pull(reference_of(pull.image)))
        except P2PlayerError as error:
            return self._ended_badly(member, pull, began, f"{error.name}: {error.message}")
        ended = self.now()
        self._tell(f"node {pull.node} has it after {ended - began:.1f} s")
        return Pulled(pull.node, pull.image, began, ended)

    async def _unless_gone(self, member: Member, pulling: Coroutine[Any, Any, None]) -> None:
        """Wait for a pull. Raises DaemonUnreachable as soon as nobody will answer any more."""
        task = self._tasks.spawn(pulling, f"pulling by {member.number}")
        gone = self._tasks.spawn(member.gone.wait(), f"end of {member.number}")
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise DaemonUnreachable("the node died")
        await task

    def _unfinished(self, pull: Pull) -> Pulled:
        member = self._world.members[pull.node]
        return self._ended_badly(member, pull, pull.at, f"not done after {self.now() - pull.at:.0f} s")

    def _ended_badly(self, member: Member, pull: Pull, began: float, reason: str) -> Pulled:
        if member.gone.is_set():
            return Pulled(pull.node, pull.image, began, None, is_lost=True, reason="the node died")
        self._tell(f"node {pull.node} does not get it: {reason}")
        return Pulled(pull.node, pull.image, began, None, reason=reason)


async def _all_of(pulling: Sequence[asyncio.Task[Pulled]], striking: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all pulls. Raises what a fault that could not be made raises."""
    pending: set[asyncio.Task[Any]] = {*pulling, *striking}
    while not all(task.done() for task in pulling):
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
