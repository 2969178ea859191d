"""Results as JSON and back: one object a run, with its figures beside the facts that they are made of."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from netsim.results.directoryfigures import directory_verdicts, load_figures, lookup_figures
from netsim.results.figures import figures_of, verdicts_of
from netsim.results.run import DirectoryRun, Load, Lookups, Pulled, Run, Traffic
from netsim.results.verdict import Verdict
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Rollout

Result = Run | DirectoryRun


class NoResultError(ValueError):
    """What was read is no result of a run."""


def to_json(result: Result) -> str:
    """Return a result on one line. That of a simulation does not tell how long it took: the same options give the same bytes."""
    form = asdict(result)
    if result.half == "simulate":
        del form["seconds"]
    return json.dumps(form | {"figures": figures_to_json(result)}, allow_nan=False)


def from_json(text: str) -> Result:
    """Return the result that was written by to_json. Raises NoResultError."""
    try:
        form: dict[str, Any] = json.loads(text)
        form.pop("figures", None)
        form["options"] = Options(**form["options"])
        return _run(form) if "half" in form else _directory_run(form)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoResultError(f"no result of a run: {error}") from error


def _run(form: Mapping[str, Any]) -> Run:
    return Run(
        **{
            **form,
            "pulls": tuple(Pulled(**pull) for pull in form["pulls"]),
            "traffic": tuple(Traffic(**node) for node in form["traffic"]),
            "upstream": tuple(form["upstream"]),
        }
    )


def _directory_run(form: Mapping[str, Any]) -> DirectoryRun:
    return DirectoryRun(
        **{
            **form,
            "lookups": tuple(
                Lookups(**{**row, "hops": tuple(row["hops"]), "latencies": tuple(row["latencies"])})
                for row in form["lookups"]
            ),
            "loads": tuple(
                Load(**{**row, "asked": tuple(row["asked"]), "kept": tuple(row["kept"])}) for row in form["loads"]
            ),
        }
    )


def scenario_of(result: Result) -> Rollout | Directory:
    """Return what was run. Raises NoResultError if there is no such scenario."""
    make = SCENARIOS.get(result.scenario)
    if make is None:
        raise NoResultError(f"there is no scenario {result.scenario!r}")
    return make(result.options)


def rollout_of(run: Run) -> Rollout:
    """Return the rollout that was run. Raises NoResultError if there is no such rollout."""
    scenario = scenario_of(run)
    if not isinstance(scenario, Rollout):
        raise NoResultError(f"{run.scenario} is no rollout")
    return scenario


def verdicts(result: Result) -> tuple[Verdict, ...]:
    """Return what was asked of the scenario, and whether this run of it has reached it."""
    match scenario_of(result), result:
        case Rollout() as rollout, Run() as run:
            return verdicts_of(rollout, figures_of(rollout, run))
        case Directory() as directory, DirectoryRun() as run:
            return directory_verdicts(directory, run)
    raise NoResultError(f"that is no result of {result.scenario}")


def figures_to_json(result: Result) -> dict[str, Any]:
    """Return the figures of a result, and what became of its goals. A time that never came is null."""
    match scenario_of(result), result:
        case Rollout() as rollout, Run() as run:
            figures = figures_of(rollout, run)
            form: dict[str, Any] = asdict(figures) | {
                f"{name}_ratio": figures.times(getattr(figures, name)) for name in ("p50", "p99", "last")
            }
        case Directory(), DirectoryRun() as run:
            form = {
                "lookups": [asdict(lookup_figures(row)) for row in run.lookups],
                "loads": [asdict(load_figures(row)) for row in run.loads],
            }
    goals = [
        {"figure": goal.figure, "value": _finite(goal.value), "goal": goal.goal, "met": goal.is_met}
        for goal in verdicts(result)
    ]
    return {name: _finite(value) for name, value in form.items()} | {"goals": goals}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
