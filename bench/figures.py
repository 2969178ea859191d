"""What a measurement says, and whether it is what the design asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class Unit:
    """What a figure is counted in, whether more of it is better, and whether it says how fast something is."""

    name: str
    digits: int
    more_is_better: bool = False
    is_speed: bool = False

    def text(self, value: float) -> str:
        """Return a value for people."""
        return f"{value:,.{self.digits}f} {self.name}"


MIB_PER_SECOND: Final = Unit("MiB/s", 0, more_is_better=True, is_speed=True)
MILLISECONDS: Final = Unit("ms", 1, is_speed=True)
SECONDS: Final = Unit("s", 2, is_speed=True)
MIB: Final = Unit("MiB", 0)
TIMES_BOUND: Final = Unit("x the bound", 2)
COPIES: Final = Unit("copies", 2)
COUNT: Final = Unit("", 0)
PERCENT: Final = Unit("%", 2)


@dataclass(frozen=True, slots=True)
class Samples:
    """One and the same thing, measured several times."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("nothing was measured")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Samples":
        """Return the samples in the order they were taken in."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Plain:
    """What a plain tool reached at the same job."""

    tool: str
    samples: Samples


class Target(Protocol):
    """What the design asks of a figure."""

    def is_met_by(self, figure: "Figure") -> bool:
        """Tell whether the figure is good enough."""
        ...

    def text(self, unit: Unit) -> str:
        """Return the target for people."""
        ...


@dataclass(frozen=True, slots=True)
class AtMost:
    """A bound on the figure itself."""

    limit: float

    def is_met_by(self, figure: "Figure") -> bool:
        """Tell whether the median keeps to the bound."""
        return figure.samples.median <= self.limit

    def text(self, unit: Unit) -> str:
        """Return the bound for people."""
        return f"≤ {self.limit:g} {unit.name}"


@dataclass(frozen=True, slots=True)
class TimesPlain:
    """A bound on how fast it is against the plain tool."""

    limit: float

    def is_met_by(self, figure: "Figure") -> bool:
        """Tell whether it is fast enough."""
        return figure.ratio is not None and figure.ratio >= self.limit

    def text(self, unit: Unit) -> str:
        """Return the bound for people."""
        return f"≥ {self.limit:g}x"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured."""

    subject: str
    unit: Unit
    samples: Samples
    plain: Plain | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the plain tool: the median over the pairs, which were measured right after each other.

        None where there is no plain tool, or nothing that can be fast.
        """
        if self.plain is None or not self.unit.is_speed:
            return None
        pairs = zip(self.samples.values, self.plain.samples.values, strict=True)
        return median(ours / plain if self.unit.more_is_better else plain / ours for ours, plain in pairs)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.target.is_met_by(self)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be measured here."""

    subject: str
    reason: str


Outcome = Figure | Skipped
