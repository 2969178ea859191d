"""What a soak has shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from netsim.soak.gauges import BOUNDS, Sample, Trend
from p2player.cli.output import size_text
from p2player.control.codec import to_json

OUTCOMES = ("done", "refused", "busy", "wrong")
"""Done as asked; an error that a client was told; not begun, since something was in its way; and what must never be."""


@dataclass(frozen=True, slots=True)
class Course:
    """One node from the beginning to the end: first and last sample, and how its gauges went in the second half."""

    number: int
    quiet_before: Sample
    quiet_after: Sample
    trends: Sequence[Trend]


@dataclass(slots=True)
class Report:
    """What happened how often, and what is wrong, in words. Nothing wrong means that the soak passed."""

    seed: int
    seconds: float = 0
    actions: dict[str, Counter[str]] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    """The errors that clients were told, and how often."""
    courses: list[Course] = field(default_factory=list)
    verified: int = 0
    """Blobs that were hashed at the end and are right."""
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def to_json(self) -> Mapping[str, Any]:
        """Return all of it for a program."""
        return {**to_json(self), "passed": self.passed}

    def print(self, console: Console) -> None:
        """Show all of it to a person."""
        actions = Table("action", *OUTCOMES, title=f"{self.seconds:.0f} s, seed {self.seed}", title_justify="left")
        for name, counts in self.actions.items():
            actions.add_row(name, *(str(counts[outcome]) for outcome in OUTCOMES))
        console.print(actions)
        nodes = Table(
            "node",
            *(words(gauge) for gauge in BOUNDS),
            title="quiet before, in the third quarter, in the last, quiet after",
        )
        for course in self.courses:
            cells = [_line(course, trend) for trend in course.trends]
            nodes.add_row(str(course.number), *cells)
        console.print(nodes)
        for reason, count in self.refusals.most_common(12):
            console.print(f"refused {count}: {reason}", markup=False, soft_wrap=True)
        console.print(f"{self.verified} blobs verified")
        for text in self.wrong:
            console.print(f"WRONG: {text}", style="red", markup=False, soft_wrap=True)
        console.print("all well" if self.passed else "wrong")


def words(gauge: str) -> str:
    """Return the name of a gauge for a person."""
    return gauge.replace("_", " ")


def _line(course: Course, trend: Trend) -> str:
    values = [
        getattr(course.quiet_before, trend.gauge),
        trend.before,
        trend.after,
        getattr(course.quiet_after, trend.gauge),
    ]
    return " ".join(size_text(int(value)) if trend.gauge == "memory" else f"{value:.0f}" for value in values)
