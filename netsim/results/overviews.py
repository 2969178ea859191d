"""Plots of many runs together."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from netsim.results.collection import Collection
from netsim.results.curves import directory_panels, draw_completion, load_panels, sizes_along
from netsim.results.figures import figures_of
from netsim.results.growth import Growth
from netsim.results.jsonform import rollout_of
from netsim.results.run import Run
from netsim.results.style import COLOURS, panels, styled

_FURTHEST: Final = 100_000
_STEEP: Final = 8.0
"""How many times what was seen a curve may reach before the axis is logarithmic, so that what was seen can be."""
_DECADES: Final = (10, 100, 1000, 10_000, 100_000)


@styled
def completion(pairs: Sequence[tuple[Run, Run]]) -> Figure:
    """Return the pulls done against time, emulated and simulated, a plot a pair."""
    figure, plots = panels(len(pairs))
    for axes, (emulated, simulated) in zip(plots, pairs, strict=True):
        rollout = rollout_of(emulated)
        draw_completion(axes, [("emulated", rollout, emulated), ("simulated", rollout, simulated)])
        axes.set_title(f"{emulated.scenario}: {emulated.options.nodes} nodes, {emulated.options.terms}")
    return figure


@styled
def spread(runs: Sequence[Run]) -> Figure:
    """Return how much the node that sent most sent, as a multiple of the mean, a bar a run."""
    figure, (axes,) = panels(1)
    figure.set_size_inches(6.5, 0.5 + 0.25 * len(runs))
    made = [(run, figures_of(rollout_of(run), run)) for run in reversed(runs)]
    names = [f"{run.scenario}, {run.options.nodes:,} nodes" for run, _ in made]
    axes.barh(names, [figures.peak for _, figures in made], color=COLOURS[0], height=0.65)
    axes.axvline(1, color="#444444", linewidth=0.8, linestyle=":")
    axes.set_xlabel("bytes sent by the node that sent most / mean")
    axes.grid(visible=False, axis="y")
    return figure


@styled
def directories(collection: Collection) -> Figure:
    """Return what lookups cost and who bears them, a plot a figure."""
    drawings = [
        (run.scenario, draw)
        for run in collection.directory_runs()
        for draw in (directory_panels if run.scenario == "lookup" else load_panels)(run)
    ]
    figure, plots = panels(len(drawings))
    for axes, (name, draw) in zip(plots, drawings, strict=True):
        draw(axes)
        axes.set_title(name)
    return figure


@styled
def growth(figures: Sequence[Growth]) -> Figure:
    """Return the figures against the number of nodes, with their curves up to where nothing was run, a plot a subject."""
    subjects = list(dict.fromkeys(one.figure for one in figures))
    figure, plots = panels(len(subjects))
    for axes, name in zip(plots, subjects, strict=True):
        same = [one for one in figures if one.figure == name]
        for one, colour in zip(same, COLOURS, strict=False):
            _draw_growth(axes, one, colour)
        sizes_along(axes, _DECADES)
        axes.set_ylabel(name)
        if axes.get_ylim()[1] > _STEEP * max(value for one in same for _, value in one.points):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
        axes.legend()
    return figure


def _draw_growth(axes: Axes, one: Growth, colour: str) -> None:
    axes.plot(*zip(*one.points, strict=True), marker="o", markersize=4, linestyle="", color=colour, label=one.subject)
    if curve := one.curve:
        nodes = np.geomspace(one.points[0][0], _FURTHEST, 60)
        axes.plot(nodes, [curve.at(count) for count in nodes], linewidth=1, linestyle="--", color=colour)
