"""One run as a plot."""

from matplotlib.figure import Figure

from netsim.results.curves import directory_panels, draw_completion
from netsim.results.jsonform import Result, scenario_of
from netsim.results.run import Run
from netsim.results.style import panels, styled
from netsim.scenarios.rollout import Rollout


@styled
def plot(result: Result) -> Figure:
    """Return the plot of one run: how many nodes are done when, or what lookups cost and who bears them."""
    scenario = scenario_of(result)
    if isinstance(result, Run) and isinstance(scenario, Rollout):
        figure, (axes,) = panels(1)
        draw_completion(axes, [(f"{result.half}d", scenario, result)])
        axes.set_title(f"{result.scenario}\n{result.options.nodes:,} nodes, {result.options.terms}")
        return figure
    drawings = [] if isinstance(result, Run) else directory_panels(result)
    figure, plots = panels(len(drawings))
    for axes, draw in zip(plots, drawings, strict=True):
        draw(axes)
    figure.suptitle(result.scenario)
    return figure
