"""How all plots look, and how they are written: the same figure gives the same bytes."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS: Final = ("#1f5fa8", "#d1661b", "#3b8a3f", "#8a4fa3", "#8c6239", "#c2457b", "#4a9aa5", "#777777")
DASHES: Final = {"emulated": "-", "simulated": "--"}
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 8.0,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "savefig.dpi": 120,
    "svg.fonttype": "path",  # looks the same with whatever fonts are installed
    "svg.hashsalt": "netsim",
}
_PANEL: Final = (4.2, 3.1)
"""Inches of a plot among others."""

styled = mpl.rc_context(_STYLE)
"""Decorates what draws."""


def panels(count: int, *, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many plots in rows, and the plots."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for left_over in axes[count:]:
        left_over.set_axis_off()
    return figure, axes[:count]


@styled
def save(figure: Figure, path: Path) -> None:
    """Write path.png and path.svg. Raises OSError."""
    figure.savefig(path.with_name(f"{path.name}.png"), metadata={"Software": None})
    figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None, "Creator": None})
