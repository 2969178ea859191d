"""Many nodes that get the same image from one of them, a fifth of whom are killed or frozen when they could have half of it.

What counts is the last of the others, against the same nodes in a run without a failure right before.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.crowds import NODES, RATE, emulated
from bench.figures import PERCENT, SECONDS, AtMost, Figure, Outcome, Plain, Samples, Skipped
from bench.workspace import Workspace
from netsim.emulate.needs import missing, not_root
from netsim.scenarios.faults import mass_failure as scenario
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Kill, Rollout
from netsim.sizes import MIB, size_text

_SIZES: Final = (64 * MIB, 256 * MIB)
_MOST_ADDED: Final = 20.0  # percent


def mass_failure(workspace: Workspace) -> Iterator[Outcome]:
    """Yield how much longer the others take when some are killed, and when some stand still."""
    if reason := not_root() or missing("ip", "tc", "nsenter"):
        yield Skipped(f"{NODES} nodes, a fifth of which fail", reason)
        return
    for size in sorted({min(size, workspace.size) for size in _SIZES}):
        for what, stay_connected in (("killed", False), ("frozen", True)):
            yield from _compare(workspace, size, what, stay_connected=stay_connected)


def _compare(workspace: Workspace, size: int, what: str, *, stay_connected: bool) -> Iterator[Figure]:
    calm, struck = [], []
    failing = 0
    for number in range(workspace.runs):
        options = Options(NODES, number, size, RATE)
        rollout = scenario(options)
        (kill,) = (fault for fault in rollout.faults if isinstance(fault, Kill))
        failing = len(kill.nodes)
        workspace.say(f"mass-failure: {size_text(size)}, {what}, run {number + 1} of {workspace.runs}")
        calm.append(_last(workspace, replace(rollout, faults=()), options, kill))
        fault = replace(kill, stay_connected=stay_connected)
        struck.append(_last(workspace, replace(rollout, faults=(fault,)), options, kill))
    subject = f"{size_text(size)}, {NODES} nodes, {failing} {what} halfway: last of the others"
    yield Figure(subject, SECONDS, Samples.of(struck), Plain("undisturbed", Samples.of(calm)))
    added = [100 * (late / usual - 1) for late, usual in zip(struck, calm, strict=True)]
    yield Figure(f"{subject}: added", PERCENT, Samples.of(added), target=AtMost(_MOST_ADDED))


def _last(workspace: Workspace, rollout: Rollout, options: Options, kill: Kill) -> float:
    """Return the seconds until the last of those nodes that do not fail has the image."""
    run = emulated(workspace, rollout, options)
    return max(float("inf") if pull.ended is None else pull.ended for pull in run.pulls if pull.node not in kill.nodes)
