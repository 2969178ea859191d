"""The tables of `docs/scale.md`, each of one kind of figures."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from netsim.results.collection import Collection, Cost
from netsim.results.directoryfigures import LoadFigures, LookupFigures, load_figures, lookup_figures
from netsim.results.figures import durations, figures_of
from netsim.results.growth import Growth
from netsim.results.jsonform import Result, rollout_of, verdicts
from netsim.results.markdown import table
from netsim.results.quantiles import quantile
from netsim.results.run import Run
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.options import Options

_DECILES: Final = tuple(tenths / 10 for tenths in range(1, 11))
_FURTHEST: Final = (10_000, 100_000)
_LARGE: Final = Options(nodes=1000)


def questions() -> str:
    """Return what each scenario is to find out."""
    return table(
        ("scenario", "question"), ((f"`{name}`", make(_LARGE).question) for name, make in SCENARIOS.items()), texts=2
    )


def goals(results: Iterable[Result], reasons: Mapping[str, str]) -> str:
    """Return which goals each run met and missed, and why, where that is known."""
    rows = []
    for result in results:
        asked = verdicts(result)
        if not asked:
            continue
        met = [f"{goal.figure} {goal.found} ({goal.goal})" for goal in asked if goal.is_met]
        missed = [f"{goal.figure} {goal.found} ({goal.goal})" for goal in asked if not goal.is_met]
        reason = reasons.get(f"{result.half}.{result.scenario}", "not known yet") if missed else ""
        found = [", ".join(some).replace("*", r"\*") for some in (met, missed)]
        rows.append((f"`{result.scenario}`", f"{result.half}d, {result.options.nodes:,} nodes", *found, reason))
    return table(("scenario", "run", "met", "missed", "because"), rows, texts=5)


def rollouts(runs: Sequence[Run]) -> str:
    """Return the figures of rollouts, a row a run."""
    rows = []
    for run in runs:
        figures, options = figures_of(rollout_of(run), run), run.options
        seed = "" if figures.seed_copies is None else f"{figures.seed_copies:.2f}"
        rows.append(
            (
                f"`{run.scenario}`",
                f"{options.nodes:,}, {options.terms}",
                f"{figures.bound:.1f} s",
                *(_ratio(figures.times(seconds)) for seconds in (figures.p50, figures.p99, figures.last)),
                f"{figures.finished:.1%}",
                f"{figures.copies:.2f}",
                seed,
                f"{figures.redundant:.1%}",
                f"{figures.control:.1%}",
                f"{figures.peak:.2f}x",
                f"{figures.gini:.2f}",
                *((f"{run.busy:.0f} %",) if run.half == "emulate" else ()),
            )
        )
    heads = ["scenario", "nodes, image, links", "D*", "p50", "p99", "last", "done", "copies: registry", "seed"]
    heads += ["redundant", "control", "most sent", "Gini"]
    if runs and runs[0].half == "emulate":
        heads.append("cores busy")
    return table(heads, rows, texts=2)


def _ratio(value: float) -> str:
    return f"{value:.2f}x" if math.isfinite(value) else "never"


def comparison(pairs: Sequence[tuple[Run, Run]]) -> str:
    """Return how far the simulated curve of completion times is from the emulated one, a row a scenario."""
    rows = []
    for emulated, simulated in pairs:
        bound = rollout_of(emulated).bound
        real, model = durations(emulated), durations(simulated)
        apart = [quantile(model, share) / quantile(real, share) - 1 for share in _DECILES]
        rows.append(
            (
                f"`{emulated.scenario}`",
                f"{emulated.options.nodes}",
                *(f"{_ratio(quantile(times, share) / bound)}" for share in (0.5, 1.0) for times in (real, model)),
                f"{max(apart, key=abs):+.0%}" if all(map(math.isfinite, apart)) else "",
            )
        )
    heads = ("scenario", "nodes", "p50 emulated", "simulated", "last emulated", "simulated", "furthest apart")
    return table(heads, rows)


def lookups(collection: Collection) -> str:
    """Return what lookups come to, a row a size and share of dead nodes."""
    rows = [
        (f"`{run.scenario}`", *row.cells)
        for run in collection.directory_runs()
        for row in map(lookup_figures, run.lookups)
    ]
    return table(("scenario", *LookupFigures.heads), rows)


def loads(collection: Collection) -> str:
    """Return what nodes have to do for the directory, a row a network."""
    rows = [
        (f"`{run.scenario}`", *row.cells) for run in collection.directory_runs() for row in map(load_figures, run.loads)
    ]
    return table(("scenario", *LoadFigures.heads), rows)


def growth(figures: Sequence[Growth]) -> str:
    """Return the curves through figures at several sizes, and what they say of sizes that were not run."""
    rows = []
    for one in figures:
        curve, (largest, value) = one.curve, one.points[-1]
        rows.append(
            (
                one.subject,
                one.figure,
                f"{value:.3g} at {largest:,}",
                curve.text if curve else "too few sizes",
                f"{curve.error:.2g}" if curve else "",
                *(f"{curve.at(nodes):.3g}" if curve else "" for nodes in _FURTHEST),
            )
        )
    heads = ("what", "figure", "largest that was run", "curve", "error", *(f"at {nodes:,}" for nodes in _FURTHEST))
    return table(heads, rows, texts=4)


def costs(known: Mapping[str, Cost]) -> str:
    """Return what it took to run the large simulations here."""
    rows = [
        (f"`{name}`", f"{cost.seconds:.0f} s", f"{cost.memory / (1 << 20):,.0f} MiB")
        for name, cost in known.items()
        if not cost.failure and name.startswith("simulate-") and cost.seconds >= 1
    ]
    return table(("run", "time", "memory"), rows)


def left_out(known: Mapping[str, Cost]) -> str:
    """Return what could not be run, and why; empty if all was."""
    rows = [(f"`{name}`", cost.failure) for name, cost in known.items() if cost.failure]
    return table(("run", "reason"), rows, texts=2) if rows else ""
