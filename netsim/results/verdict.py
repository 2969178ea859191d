"""A goal, and what became of it."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a figure had to be, and is."""

    figure: str
    value: float
    sign: Literal["≤", "≥"]
    limit: float
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it is good enough."""
        return self._meets(self.value)

    def _meets(self, value: float) -> bool:
        return value <= self.limit if self.sign == "≤" else value >= self.limit

    @property
    def goal(self) -> str:
        """The limit, for people."""
        return f"{self.sign} {self.limit:g} {self.unit}".strip()

    @property
    def found(self) -> str:
        """The value for people, with as many digits as its distance from the limit needs."""
        if not math.isfinite(self.value):
            return "never"
        digits = next((digits for digits in (2, 3, 4) if self._meets(round(self.value, digits)) == self.is_met), 5)
        return f"{self.value:,.{digits}f} {self.unit}".strip()


def at_most(figure: str, value: float, limit: float | None, unit: str = "") -> tuple[Verdict, ...]:
    """Return the verdict, or nothing where there is no limit."""
    return () if limit is None else (Verdict(figure, value, "≤", limit, unit),)


def at_least(figure: str, value: float, limit: float | None, unit: str = "") -> tuple[Verdict, ...]:
    """Return the verdict, or nothing where there is no limit."""
    return () if limit is None else (Verdict(figure, value, "≥", limit, unit),)
