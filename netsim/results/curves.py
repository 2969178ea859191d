"""What is drawn: each function draws one thing into the plot that it is given."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from netsim.results.directoryfigures import LookupFigures, lookup_figures
from netsim.results.figures import durations
from netsim.results.run import DirectoryRun, Run
from netsim.results.style import COLOURS, DASHES
from netsim.scenarios.rollout import Rollout

Draw = Callable[[Axes], None]


def draw_completion(axes: Axes, runs: Sequence[tuple[str, Rollout, Run]]) -> None:
    """Draw which share of the pulls is done after which time, a line a run, beside the bound."""
    furthest = 1.0
    for number, (label, rollout, run) in enumerate(runs):
        times = durations(run)
        done = [time / rollout.bound for time in times if math.isfinite(time)]
        furthest = max([furthest, *done])
        shares = [100 * rank / len(times) for rank in range(len(done) + 1)]
        axes.step(
            [0.0, *done], shares, where="post", label=label, color=COLOURS[number], linestyle=DASHES.get(label, "-")
        )
    axes.axvline(1, color="#888888", linewidth=0.8, linestyle=":")
    axes.annotate("D*", (1, 100), (-3, 0), textcoords="offset points", ha="right", va="top", color="#666666")
    axes.set(xlabel="time of a pull / D*", ylabel="pulls done, %", xlim=(0, furthest * 1.05), ylim=(0, 103))
    axes.legend(loc="upper left")


def directory_panels(run: DirectoryRun) -> list[Draw]:
    """Return what there is to draw of a directory's run, each for a plot of its own."""
    drawings: list[Draw] = []
    if run.lookups:
        rows = [lookup_figures(row) for row in run.lookups]
        drawings += [
            partial(draw_success, rows=rows),
            partial(
                draw_by_size,
                rows=rows,
                value=lambda row: row.hops_mean,
                name="rounds of questions, mean",
                from_zero=True,
            ),
            partial(
                draw_by_size,
                rows=rows,
                value=lambda row: row.latency_p99 * 1000,
                name="latency, p99, ms",
                from_zero=True,
            ),
        ]
    return drawings + load_panels(run)


def load_panels(run: DirectoryRun) -> list[Draw]:
    """Return what there is to draw of who bears the load, each for a plot of its own."""
    drawings: list[Draw] = []
    if run.loads:
        asked = {f"{load.nodes:,} nodes": load.asked for load in run.loads}
        kept = {f"{load.nodes:,} nodes": load.kept for load in run.loads}
        drawings += (
            [partial(draw_load, loads=asked, name="requests answered / mean")] if any(map(any, asked.values())) else []
        )
        drawings += [partial(draw_load, loads=kept, name="records kept / mean")] if any(map(any, kept.values())) else []
    return drawings


def draw_success(axes: Axes, *, rows: Sequence[LookupFigures]) -> None:
    """Draw which share of lookups finds what there is, a line a share of dead nodes."""
    draw_by_size(axes, rows=rows, value=lambda row: row.success * 100, name="lookups that find, %")
    lowest = min(99.0, *(row.success * 100 for row in rows))
    axes.set_ylim(lowest - 0.05 * (100 - lowest), 100 + 0.05 * (100 - lowest))
    axes.legend(loc="lower left")


def draw_by_size(
    axes: Axes,
    *,
    rows: Sequence[LookupFigures],
    value: Callable[[LookupFigures], float],
    name: str,
    from_zero: bool = False,
) -> None:
    """Draw a figure of lookups against the size of the network, a line a share of dead nodes."""
    for number, dead in enumerate(sorted({row.dead for row in rows})):
        line = sorted((row.nodes, value(row)) for row in rows if row.dead == dead)
        axes.plot(*zip(*line, strict=True), marker="o", markersize=3.5, label=f"{dead:.0%} dead", color=COLOURS[number])
    sizes_along(axes, sorted({row.nodes for row in rows}))
    axes.set_ylabel(name)
    if from_zero:
        axes.set_ylim(0, 1.25 * max(map(value, rows)))
    axes.legend()


def draw_load(axes: Axes, *, loads: Mapping[str, Sequence[int]], name: str) -> None:
    """Draw what each node has to do, as a multiple of the mean, from the most burdened node on, a line a network."""
    for number, (label, values) in enumerate(loads.items()):
        mean = sum(values) / len(values) if any(values) else 1.0
        shares = [100 * rank / len(values) for rank in range(1, len(values) + 1)]
        ordered = [value / mean for value in sorted(values, reverse=True)]
        axes.step(shares, ordered, where="pre", label=label, color=COLOURS[number % len(COLOURS)])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    axes.axhline(1, color="#888888", linewidth=0.8, linestyle=":")
    axes.set(xlabel="nodes, most burdened first, %", ylabel=name)
    axes.set_xlim(right=100)
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.legend()


def sizes_along(axes: Axes, sizes: Sequence[int]) -> None:
    """Let the x axis be the size of the network, with a tick at each size that was tried."""
    axes.set_xscale("log")
    axes.set_xticks(list(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("nodes")
