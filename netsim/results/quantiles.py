"""Of many values: the one below which a share of them lies, their mean, and how evenly they are spread."""

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that so large a share of them does not exceed (nearest rank). Raises ValueError."""
    if not values:
        raise ValueError("a quantile of nothing")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def peak(values: Sequence[float]) -> float:
    """Return how many times the mean the largest is; 1 where all are alike, and where all are 0."""
    total = sum(values)
    return max(values) * len(values) / total if total else 1.0


def gini(values: Sequence[float]) -> float:
    """Return Gini's coefficient of values that are not negative: 0, all are alike; towards 1, one has all."""
    total, count = sum(values), len(values)
    if not total:
        return 0.0
    weighted = sum(rank * value for rank, value in enumerate(sorted(values), 1))
    return 2 * weighted / (count * total) - (count + 1) / count
