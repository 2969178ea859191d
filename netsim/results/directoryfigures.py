"""The figures of a directory scenario, a row a size of the network."""

from dataclasses import dataclass
from typing import ClassVar

from netsim.results.quantiles import gini, mean, peak, quantile
from netsim.results.run import DirectoryRun, Load, Lookups
from netsim.results.verdict import Verdict, at_least, at_most
from netsim.scenarios.directory import Directory


@dataclass(frozen=True, slots=True)
class LookupFigures:
    """What lookups in a network come to. Latencies in seconds."""

    nodes: int
    dead: float
    success: float
    hops_mean: float
    hops_p99: float
    latency_p50: float
    latency_p99: float
    datagrams: float
    """A lookup, in the mean."""

    heads: ClassVar[tuple[str, ...]] = (
        "nodes",
        "dead",
        "found",
        "rounds",
        "p99",
        "latency, median",
        "p99",
        "datagrams",
    )
    """Of the columns that `cells` fills."""

    @property
    def cells(self) -> tuple[str, ...]:
        """All of it for people."""
        return (
            f"{self.nodes:,}",
            f"{self.dead:.0%}",
            f"{self.success:.2%}",
            f"{self.hops_mean:.2f}",
            f"{self.hops_p99:.0f}",
            f"{self.latency_p50 * 1000:.0f} ms",
            f"{self.latency_p99 * 1000:.0f} ms",
            f"{self.datagrams:.1f}",
        )


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What the nodes of a network have to do for the directory."""

    nodes: int
    keys: int
    asked_mean: float
    asked_peak: float
    """How many times the mean the most burdened node was asked."""
    asked_gini: float
    kept_mean: float
    kept_peak: float
    kept_gini: float
    bytes_per_second: float
    memory: float

    heads: ClassVar[tuple[str, ...]] = (
        *("nodes", "digests", "requests a node", "most", "Gini", "records a node", "most", "Gini"),
        *("bytes/s a node", "memory a node"),
    )
    """Of the columns that `cells` fills."""

    @property
    def cells(self) -> tuple[str, ...]:
        """All of it for people, with nothing where nothing was measured."""
        return (
            f"{self.nodes:,}",
            f"{self.keys:,}",
            f"{self.asked_mean:,.1f}",
            f"{self.asked_peak:.2f}x",
            f"{self.asked_gini:.2f}",
            f"{self.kept_mean:,.1f}",
            f"{self.kept_peak:.2f}x",
            f"{self.kept_gini:.2f}",
            f"{self.bytes_per_second:,.0f}" if self.bytes_per_second else "",
            f"{self.memory / 1024:,.0f} KiB" if self.memory else "",
        )


def lookup_figures(row: Lookups) -> LookupFigures:
    """Return what the lookups of one row come to. Raises ValueError if there were none."""
    return LookupFigures(
        nodes=row.nodes,
        dead=row.dead,
        success=row.found / row.lookups if row.lookups else 0.0,
        hops_mean=mean(row.hops),
        hops_p99=quantile(row.hops, 0.99),
        latency_p50=quantile(row.latencies, 0.5),
        latency_p99=quantile(row.latencies, 0.99),
        datagrams=row.datagrams,
    )


def load_figures(row: Load) -> LoadFigures:
    """Return what the load of one row comes to. Raises ValueError if there are no nodes."""
    return LoadFigures(
        nodes=row.nodes,
        keys=row.keys,
        asked_mean=mean(row.asked),
        asked_peak=peak(row.asked),
        asked_gini=gini(row.asked),
        kept_mean=mean(row.kept),
        kept_peak=peak(row.kept),
        kept_gini=gini(row.kept),
        bytes_per_second=row.bytes_per_second,
        memory=row.memory,
    )


def directory_verdicts(directory: Directory, run: DirectoryRun) -> tuple[Verdict, ...]:
    """Return what was asked of the scenario, and whether it was reached: by the worst row that the goal is about."""
    goals = directory.goals
    rows = [lookup_figures(row) for row in run.lookups if row.dead <= goals.dead]
    asked = [load_figures(row).asked_peak for row in run.loads]
    return (
        *(
            at_least("lookups that find", min(row.success for row in rows) * 100, _percent(goals.success), "%")
            if rows
            else ()
        ),
        *(at_most("most asked node", max(asked), goals.load, "x the mean") if asked else ()),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
