"""The course of a soak: quiet, many things at once for a set time, quiet again, and then everything is looked at."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final

from netsim.emulate.processes import ProgramError, wait_until
from netsim.soak.actions import ACTIONS, Job
from netsim.soak.clients import Client, RefusedError, WrongError
from netsim.soak.gauges import Sample, Watch, left_over, sample, trends
from netsim.soak.member import BusyError, Member
from netsim.soak.report import Course, Report, words
from netsim.soak.world import World
from netsim.telling import Tell
from p2player.errors import P2PlayerError

_AT_ONCE: Final = 6
_PAUSE: Final = 0.3  # seconds between two actions, at most
_SETTLING: Final = 90.0  # seconds within which a node is quiet again: idle connections are kept for up to 75
_ROTATION: Final = 10  # seconds
_VARYING: Final = re.compile(r"sha256:[0-9a-f]{64}|[0-9a-f]{40}|\d{4,}")


def soak(directory: Path, *, seconds: float, size: int, seed: int, images: int, tell: Tell) -> Report:
    """Return what came of size nodes under random actions for so many seconds. Everything has ended by then.

    tell hears what is being done. Raises ProgramError if the nodes or the registry do not even start.
    """
    rng = Random(seed)
    report = Report(seed)
    tell(f"starting {size} nodes")
    with World(directory, size, rng, images=images) as world:
        before = {member.number: _quiet_sample(member) for member in world.members}
        tell(f"{seconds:.0f} s of actions")
        with Watch(world.members) as watch:
            began = time.monotonic()
            _act(world, rng, seconds, report)
            report.seconds = time.monotonic() - began
        tell("waiting for quiet")
        settled = time.monotonic() + _SETTLING
        # Those that were ended are others by now, and began with less.
        for member in world.immortals:
            after = wait_for_quiet(member, before[member.number], settled)
            course = Course(
                member.number, before[member.number], after, list(trends(watch.samples[member.number], report.seconds))
            )
            report.courses.append(course)
            report.wrong += growth(course)
        tell("looking at what every node has")
        for member in world.members:
            report.wrong += _look_at(member, world, report)
    return report


def _act(world: World, rng: Random, seconds: float, report: Report) -> None:
    report.actions = {name: Counter() for name in ACTIONS}
    names, weights = list(ACTIONS), [action.weight for action in ACTIONS.values()]
    end, rotation = time.monotonic() + seconds, time.monotonic() + seconds / 2
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while (now := time.monotonic()) < end:
            if now >= rotation:
                world.rotate_secret(_ROTATION)
                rotation = end
            (name,) = rng.choices(names, weights)
            job = ACTIONS[name].choose(world, rng)
            running = {future for future in running if not future.done()}
            running.add(pool.submit(_do, name, job, report))
            while sum(not future.done() for future in running) >= _AT_ONCE:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, _PAUSE))


def _do(name: str, job: Job, report: Report) -> None:
    try:
        job()
        outcome = "done"
    except BusyError:
        outcome = "busy"
    except RefusedError as error:
        outcome = "refused"
        report.refusals[f"{name}: {_VARYING.sub('…', str(error))[:160]}"] += 1
    except Exception as error:  # noqa: BLE001  (a node that does not start, and whatever else there may be)
        outcome = "wrong"
        report.wrong.append(f"{name}: {error if isinstance(error, WrongError) else repr(error)}")
    report.actions[name][outcome] += 1


def growth(course: Course) -> Iterator[str]:
    """Yield in words what grew."""
    for trend in course.trends:
        if not trend.is_flat:
            yield f"node {course.number}: {words(trend.gauge)} went from {trend.before:.0f} to {trend.after:.0f}"
    before, after = course.quiet_before, course.quiet_after
    for gauge in left_over(before, after):
        now, at_first = getattr(after, gauge), getattr(before, gauge)
        yield f"node {course.number}: {now} {words(gauge)} when all is quiet, {at_first} at first"


def _quiet_sample(member: Member) -> Sample:
    return wait_until(lambda: sample(member, 0.0), f"a sample of node {member.number}")


def wait_for_quiet(member: Member, before: Sample, deadline: float) -> Sample:
    """Return a sample of a node as soon as it has no more than before, or what there is at deadline (time.monotonic)."""
    latest = _quiet_sample(member)

    def quiet() -> Sample | None:
        nonlocal latest
        latest = _quiet_sample(member)
        return None if left_over(before, latest) else latest

    try:
        return wait_until(quiet, "quiet", timeout=deadline - time.monotonic())
    except ProgramError:
        return latest


def _look_at(member: Member, world: World, report: Report) -> Iterator[str]:
    """Yield in words what is wrong with a node that has been left alone: it holds only what is right, and works."""
    if member.daemon is None:
        yield f"node {member.number} does not run"
        return
    try:
        for damaged in member.verify():
            yield f"node {member.number}: {damaged} was damaged, and nobody had damaged it"
        report.verified += len(member.blobs())
        for named in world.upstream:
            Client(member.daemon.registry).pull(named, by_digest=False)
    except (P2PlayerError, RefusedError, WrongError, TimeoutError) as error:
        yield f"node {member.number}, left alone: {error!r}"
    try:
        # A reader has the last bytes a moment before the disk has them.
        wait_until(lambda: None if _staged(member) else True, "an empty staging directory", timeout=_SETTLING)
    except ProgramError:
        yield f"node {member.number}: {len(_staged(member))} files are left in staging"
    for ban in _bans(member):
        yield f"node {member.number} banned an honest node: {ban}"


def _staged(member: Member) -> list[Path]:
    return [path for path in (member.data_dir / "staging").rglob("*") if path.is_file()]


def _bans(member: Member) -> list[str]:
    try:
        return [str(ban) for ban in json.loads((member.data_dir / "bans.json").read_text())["bans"]]
    except FileNotFoundError:
        return []
