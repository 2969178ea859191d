"""What the demo shows: sentences, the commands that it runs, and one table at the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from p2player.cli.output import size_text

_WIDTH: Final = 100  # where there is no terminal to ask


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a blob came to the node that was told to fetch it, in that node's own words."""

    seconds: float
    senders: Sequence[tuple[str, int]]
    """Who sent how many bytes."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One blob of the image, and how it came to both nodes that did not have it. Both copies are verified."""

    digest: str
    kind: str
    size: int
    fetched: Fetched | None
    """None for the manifest: it comes with the name."""
    pull_seconds: float


class Story:
    """Tells it, on a terminal or into a pipe."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, emoji=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH
        self._mark = "✓" if self._console.encoding.startswith("utf") else "yes"
        self._steps = 0

    def title(self, text: str) -> None:
        """Say what all this is."""
        self._console.print(text, style="bold", markup=False)

    def step(self, text: str) -> None:
        """Say what happens next."""
        self._steps += 1
        self._console.print(f"\n[bold cyan]{self._steps}.[/] {escape(text)}", soft_wrap=True)

    def command(self, text: str) -> None:
        """Show what is run, as it could be typed."""
        self._console.print(f"   [green]$ {escape(text)}[/]", soft_wrap=True)

    def note(self, text: str) -> None:
        """Say what came of it."""
        self._console.print(f"   {text}", soft_wrap=True, markup=False)

    def deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Show how every blob came."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
        for head in ("blob", "kind"):
            table.add_column(head, no_wrap=True)
        for head in ("size", "node 2: fetch"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("sent by")
        table.add_column("node 3: pull", justify="right", no_wrap=True)
        table.add_column("verified", justify="center")
        for blob in deliveries:
            table.add_row(
                blob.digest.removeprefix("sha256:")[:12],
                blob.kind,
                size_text(blob.size),
                seconds_text(blob.fetched.seconds) if blob.fetched else "",
                ", ".join(f"{sender} {size_text(count)}" for sender, count in blob.fetched.senders)
                if blob.fetched
                else "with the name",
                seconds_text(blob.pull_seconds),
                f"[green]{self._mark}[/]",
            )
        self._console.print()
        self._console.print(table)


def seconds_text(seconds: float) -> str:
    """Return a span of time for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
