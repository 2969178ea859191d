"""How far the model is from what was emulated: `python -m netsim.simulate.compare RECORDING…`.

A recording is what `python -m netsim emulate SCENARIO --json` has printed. The same scenario is simulated with the same options, and
the seconds are compared after which each tenth of the pulls had ended.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netsim.results.figures import durations
from netsim.results.jsonform import from_json, rollout_of
from netsim.results.quantiles import quantile
from netsim.results.run import Run
from netsim.simulate.crowd import simulate
from netsim.simulate.parameters import Parameters
from netsim.sizes import size_text

SHARES: Final = tuple(tenth / 10 for tenth in range(1, 11))
_ROW: Final = "{:>5.0%} {:>10.2f} {:>10.2f} {:>+8.1%}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds after which each of SHARES of the pulls had ended, emulated and simulated."""

    recorded: Run
    simulated: Run

    @property
    def rows(self) -> tuple[tuple[float, float, float], ...]:
        """The share, the emulated and the simulated seconds."""
        pairs = zip(_curve(self.recorded), _curve(self.simulated), strict=True)
        return tuple((share, emulated, simulated) for share, (emulated, simulated) in zip(SHARES, pairs, strict=True))

    @property
    def furthest(self) -> float:
        """By which share of the emulated seconds the model is off where it is furthest off."""
        return max(abs(simulated / emulated - 1) for _, emulated, simulated in self.rows)

    @property
    def text(self) -> str:
        """All of it, for people."""
        options = self.recorded.options
        size = size_text(options.size)
        head = f"{self.recorded.scenario}, {options.nodes} nodes, {size}, {options.rate:.0f} Mbit/s"
        left = f"left the registry: {self.recorded.upstream} and {self.simulated.upstream}"
        rows = (
            _ROW.format(share, emulated, simulated, simulated / emulated - 1)
            for share, emulated, simulated in self.rows
        )
        return "\n".join([head, f"{'':>5} {'emulated':>10} {'simulated':>10}", *rows, left])


def compare(recording: Path, parameters: Parameters = Parameters()) -> Comparison:  # noqa: B008  (it is frozen)
    """Return how a simulation comes out beside a recorded emulation. Raises ValueError if it is none."""
    recorded = from_json(recording.read_text())
    if not isinstance(recorded, Run) or recorded.half != "emulate":
        raise ValueError(f"{recording} is no recorded emulation of a rollout")
    simulated = simulate(rollout_of(recorded), recorded.options, tell=lambda _: None, parameters=parameters)
    return Comparison(recorded, simulated)


def _curve(run: Run) -> list[float]:
    seconds = [time for time in durations(run) if math.isfinite(time)]
    if not seconds:
        raise ValueError(f"no pull of {run.scenario} has ended well")
    return [quantile(seconds, share) for share in SHARES]


def main(paths: Sequence[str]) -> None:
    """Print what comes out for each recording."""
    for path in paths:
        comparison = compare(Path(path))
        print(comparison.text)
        print(f"furthest off: {comparison.furthest:.1%}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
