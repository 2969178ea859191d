"""Figures against the number of nodes, and the curves through them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from netsim.results.collection import Collection
from netsim.results.directoryfigures import LookupFigures, load_figures, lookup_figures
from netsim.results.figures import Figures, figures_of
from netsim.results.fit import Curve, fit
from netsim.results.jsonform import rollout_of
from netsim.results.run import Run

_ROLLOUT: Final[dict[str, Callable[[Figures], float]]] = {
    "median / D*": lambda figures: figures.times(figures.p50),
    "last / D*": lambda figures: figures.times(figures.last),
}
_LOOKUP: Final[dict[str, Callable[[LookupFigures], float]]] = {
    "rounds of questions, mean": lambda row: row.hops_mean,
    "latency, median, ms": lambda row: row.latency_p50 * 1000,
    "datagrams": lambda row: row.datagrams,
}
_DEAD: Final = (0.0, 0.2)


@dataclass(frozen=True, slots=True)
class Growth:
    """A figure at several sizes."""

    subject: str
    figure: str
    points: tuple[tuple[int, float], ...]
    """(nodes, figure), fewest nodes first."""

    @property
    def curve(self) -> Curve | None:
        """The curve through it; None if there are too few sizes."""
        return fit(self.points)


def growths(collection: Collection) -> list[Growth]:
    """Return all figures that were seen at several sizes."""
    return [*_rollouts(collection.runs("simulate")), *_lookups(collection), *_loads(collection)]


def _rollouts(runs: Iterable[Run]) -> list[Growth]:
    found = []
    for scenario, same in groupby(sorted(runs, key=lambda run: run.scenario), key=lambda run: run.scenario):
        alike: dict[tuple[int, float], list[Run]] = {}
        for run in same:
            alike.setdefault((run.options.size, run.options.rate), []).append(run)
        series = max(alike.values(), key=len)
        made = [(run.options.nodes, figures_of(rollout_of(run), run)) for run in series]
        for name, value in _ROLLOUT.items():
            found.append(_growth(scenario, name, ((nodes, value(figures)) for nodes, figures in made)))
    return [growth for growth in found if len(growth.points) > 1]


def _lookups(collection: Collection) -> list[Growth]:
    rows = [
        lookup_figures(row) for run in collection.directory_runs() if run.scenario == "lookup" for row in run.lookups
    ]
    return [
        _growth(f"lookup, {dead:.0%} dead", name, ((row.nodes, value(row)) for row in rows if row.dead == dead))
        for dead in _DEAD
        for name, value in _LOOKUP.items()
        if any(row.dead == dead for row in rows)
    ]


def _loads(collection: Collection) -> list[Growth]:
    rows = [load_figures(row) for run in collection.directory_runs() if run.scenario == "hot-key" for row in run.loads]
    if not rows:
        return []
    return [_growth("hot-key", "most asked / mean", ((row.nodes, row.asked_peak) for row in rows))]


def _growth(subject: str, figure: str, points: Iterable[tuple[int, float]]) -> Growth:
    return Growth(subject, figure, tuple(sorted(dict(points).items())))
