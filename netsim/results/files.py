"""What is written of a run: NAME.json, NAME.txt, NAME.png and NAME.svg."""

from pathlib import Path

from netsim.results.jsonform import Result, to_json
from netsim.results.plots import plot
from netsim.results.style import save
from netsim.results.table import as_text


def write_files(result: Result, directory: Path, name: str) -> None:
    """Write a result in all its forms into a directory, which is made if there is none. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(to_json(result) + "\n", encoding="utf-8")
    (directory / f"{name}.txt").write_text(as_text(result), encoding="utf-8")
    save(plot(result), directory / name)
