"""How a figure grows with the number of nodes: the simplest of few curves that goes through what was seen, least squares."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_SHAPES: Final[Mapping[str, Callable[[float], float]]] = {
    "log2 N": math.log2,
    "√N": math.sqrt,
    "N": float,
}
_LEAST: Final = 3
"""Sizes that have to be there: through two points every curve goes."""


@dataclass(frozen=True, slots=True)
class Curve:
    """y = a + b f(N)."""

    shape: str
    a: float
    b: float
    error: float
    """Root of the mean squared distance from what was seen, in the figure's unit."""

    def at(self, nodes: float) -> float:
        """Return the figure at so many nodes."""
        return self.a + self.b * _SHAPES[self.shape](nodes)

    @property
    def text(self) -> str:
        """The formula, for people."""
        return f"{self.a:.3g} {'+' if self.b >= 0 else '-'} {abs(self.b):.3g} {self.shape}"


def fit(points: Sequence[tuple[int, float]]) -> Curve | None:
    """Return the curve nearest to (nodes, figure), of equally near ones the flattest; None if there are too few sizes."""
    points = [(nodes, value) for nodes, value in points if math.isfinite(value)]
    if len({nodes for nodes, _ in points}) < _LEAST:
        return None
    return min((_through(points, shape) for shape in _SHAPES), key=lambda curve: round(curve.error, 9))


def _through(points: Sequence[tuple[int, float]], shape: str) -> Curve:
    values = np.array([value for _, value in points])
    terms = np.array([[1.0, _SHAPES[shape](nodes)] for nodes, _ in points])
    (a, b), *_ = np.linalg.lstsq(terms, values, rcond=None)
    error = float(np.sqrt(np.mean((terms @ (a, b) - values) ** 2)))
    return Curve(shape, float(a), float(b), error)
