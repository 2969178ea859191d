"""The results of many runs in one directory: NAME.json each, and what each run cost in costs.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from netsim.results.jsonform import NoResultError, Result, from_json
from netsim.results.run import DirectoryRun, Half, Run
from netsim.scenarios.catalogue import SCENARIOS

_COSTS: Final = "costs.json"


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took to run something here, or why it could not be run."""

    seconds: float
    memory: int
    """Bytes at most, of this process; emulated nodes are others."""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """All that is known."""

    results: tuple[Result, ...]
    costs: Mapping[str, Cost]

    def runs(self, half: Half) -> list[Run]:
        """Return the runs of rollouts in one half."""
        return [result for result in self.results if isinstance(result, Run) and result.half == half]

    def directory_runs(self) -> list[DirectoryRun]:
        """Return the largest run of each directory scenario: it has the smaller sizes in it."""
        runs = [result for result in self.results if isinstance(result, DirectoryRun)]
        runs.sort(key=lambda run: run.options.nodes)
        return list({run.scenario: run for run in runs}.values())

    def pairs(self) -> list[tuple[Run, Run]]:
        """Return what was both emulated and simulated, with the same options, in the catalogue's order."""
        simulated = {(run.scenario, run.options): run for run in self.runs("simulate")}
        return [
            (run, simulated[run.scenario, run.options])
            for run in self.runs("emulate")
            if (run.scenario, run.options) in simulated
        ]


def load(directory: Path) -> Collection:
    """Return what is in a directory. Raises NoResultError, OSError."""
    results = []
    for path in sorted(directory.glob("*.json")):
        if path.name != _COSTS:
            try:
                results.append(from_json(path.read_text(encoding="utf-8")))
            except NoResultError as error:
                raise NoResultError(f"{path}: {error}") from error
    if not results:
        raise NoResultError(f"no results in {directory}")
    order = list(SCENARIOS)
    results.sort(key=lambda result: (order.index(result.scenario), result.options.nodes))
    return Collection(tuple(results), load_costs(directory))


def load_costs(directory: Path) -> dict[str, Cost]:
    """Return what the runs cost, by their names; nothing if nothing was run. Raises OSError."""
    path = directory / _COSTS
    if not path.exists():
        return {}
    return {name: Cost(**cost) for name, cost in json.loads(path.read_text(encoding="utf-8")).items()}


def save_costs(directory: Path, costs: Mapping[str, Cost]) -> None:
    """Write what the runs cost. Raises OSError."""
    text = json.dumps({name: asdict(cost) for name, cost in costs.items()}, indent=2)
    (directory / _COSTS).write_text(text + "\n", encoding="utf-8")
