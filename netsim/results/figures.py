"""The figures of a rollout: the same ones from either half."""

import math
from dataclasses import dataclass

from netsim.results.quantiles import gini, peak, quantile
from netsim.results.run import Run
from netsim.results.verdict import Verdict, at_least, at_most
from netsim.scenarios.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run of a rollout comes to. Times are seconds a pull took, infinite if so many did not end well."""

    bound: float
    """D*, seconds."""
    p50: float
    p99: float
    last: float
    finished: float
    """Which share of the pulls by nodes that live ended well."""
    copies: float
    """How often the image that left the registry most often did."""
    seed_copies: float | None
    """How often what the holders had left them, in the mean; None: nobody held anything."""
    redundant: float
    """Which share of all bytes received were bytes of layers that there was no use for."""
    control: float
    """Which share of all bytes received were of no layer."""
    peak: float
    """How many times the mean the node sent that sent most."""
    gini: float
    """How unevenly sending is spread over nodes: 0, all send the same; towards 1, one sends all."""

    def times(self, seconds: float) -> float:
        """Return a time as a multiple of the bound."""
        return seconds / self.bound


def figures_of(rollout: Rollout, run: Run) -> Figures:
    """Return what the run comes to. Raises ValueError if nobody pulled anything."""
    times = durations(run)
    if not times:
        raise ValueError(f"{run.scenario}: no node that lives pulled anything")
    received = sum(node.received for node in run.traffic) or 1
    sent = [float(node.sent) for node in run.traffic] or [0.0]
    return Figures(
        bound=rollout.bound,
        p50=quantile(times, 0.5),
        p99=quantile(times, 0.99),
        last=times[-1],
        finished=sum(map(math.isfinite, times)) / len(times),
        copies=max(run.upstream, default=0.0),
        seed_copies=_seed_copies(rollout, run),
        redundant=sum(node.redundant for node in run.traffic) / received,
        control=sum(node.control for node in run.traffic) / received,
        peak=peak(sent),
        gini=gini(sent),
    )


def durations(run: Run) -> list[float]:
    """Return what each pull took that somebody waited for to the end, in seconds and in order; infinite, it did not end well."""
    return sorted(math.inf if pull.ended is None else pull.ended - pull.began for pull in run.pulls if not pull.is_lost)


def _seed_copies(rollout: Rollout, run: Run) -> float | None:
    holders = {node for nodes in rollout.holders.values() for node in nodes} - rollout.liars.keys()
    held = sum(rollout.images[image].size for image in rollout.holders)
    if not holders or not held:
        return None
    return sum(node.sent for node in run.traffic if node.node in holders) / held


def verdicts_of(rollout: Rollout, figures: Figures) -> tuple[Verdict, ...]:
    """Return what was asked of the rollout, and whether it was reached."""
    goals = rollout.goals
    return (
        *at_most("median", figures.times(figures.p50), goals.median, "x D*"),
        *at_most("last", figures.times(figures.last), goals.last, "x D*"),
        *at_most("copies from the registry", figures.copies, goals.copies),
        *at_least("pulls that end well", figures.finished * 100, goals.finished * 100, "%"),
    )
