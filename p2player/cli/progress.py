"""How several blobs proceed: bars on a terminal, as `docker pull` shows them; elsewhere a line whenever a state changes."""

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from p2player.cli.output import Output, size_text
from p2player.control.codec import to_json
from p2player.control.seeding import SeedProgress


class Board(Protocol):
    """A row for each thing that proceeds, in a `with` block."""

    def __enter__(self) -> Self:
        """Start to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more."""
        ...

    def show(self, label: str, state: str, done: int, size: int | None) -> None:
        """Show how far label is; sizes are bytes, and the whole size may not be known yet."""
        ...


class Bars:
    """Rows with bars, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            TextColumn("{task.fields[state]}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
        )
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, label: str, state: str, done: int, size: int | None) -> None:
        """Redraw the row of label."""
        if label not in self._rows:
            self._rows[label] = self._progress.add_task(label, total=size, state=state)
        self._progress.update(self._rows[label], completed=done, total=size, state=state)


class Lines:
    """A line whenever the state of a row changes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, label: str, state: str, done: int, size: int | None) -> None:
        """Write a line if there is news of label."""
        if self._states.get(label) != state:
            self._states[label] = state
            self._output.line(f"{label}: {state}" + (f" {size_text(size)}" if size is not None else ""))


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, label: str, state: str, done: int, size: int | None) -> None:
        """Show nothing."""


class SeedRows:
    """The blobs of sources that are sent to the daemon, each in a row of a board and as an object a step."""

    def __init__(self, output: Output, board: Board) -> None:
        self._output = output
        self._board = board
        self._labels: dict[tuple[str, int], str] = {}

    def show(self, progress: SeedProgress) -> None:
        """Show how far a blob is."""
        self._output.data({"event": "progress", **to_json(progress)})
        label = progress.digest.short if progress.digest else f"{progress.source} #{progress.number}"
        # A row keeps its first label: the digest may turn up only at its end.
        label = self._labels.setdefault((progress.source, progress.number), label)
        self._board.show(label, progress.state, progress.done, progress.size)


def open_board(output: Output) -> Board:
    """Return the board that suits where the output goes."""
    console = Console(file=sys.stdout)
    return Bars(console) if console.is_terminal and not output.json else Lines(output)
