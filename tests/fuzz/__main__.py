"""`make fuzz`: every parser under a coverage-guided fuzzer, one after the other. FUZZ_SECONDS is how long each.

What was found out about a parser stays in .fuzz/corpus, so that the next run goes on from there.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import click

from tests.fuzz.strategies import TELLING
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

_ROOT: Final = Path(".fuzz")
_SLOW: Final = 10  # seconds for one input, which is then as bad as a crash
_MEMORY: Final = 2048  # MiB, likewise
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units: (\d+)")
_COVERED: Final = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")


@dataclass(frozen=True)
class Outcome:
    """What came of one target: inputs tried, edges of code and inputs kept that led there, and what it did not bear."""

    target: str
    executed: int
    edges: int
    kept: int
    crashes: tuple[Path, ...]
    failed: bool

    @classmethod
    def of(cls, target: str, output: str, exit_code: int, crashes: Sequence[Path]) -> "Outcome":
        """Return what libFuzzer's output says."""
        executed = _EXECUTED.search(output)
        covered = _COVERED.findall(output)
        edges, _, kept = covered[-1] if covered else (0, 0, 0)
        return cls(target, int(executed[1]) if executed else 0, int(edges), int(kept), tuple(crashes), exit_code != 0)


@click.command()
@click.argument("names", metavar="[TARGET]...", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=int(os.environ.get("FUZZ_SECONDS", "20")), help="How long each.", show_default=True)
def main(names: tuple[str, ...], seconds: int) -> None:
    """Fuzz these parsers, or all. Exits with 1 if any of them did not bear an input."""
    outcomes = []
    click.echo(f"{'target':<28}{'executed':>12}{'edges':>8}{'kept':>7}")
    for name in names or TARGETS:
        outcome = fuzz(TARGETS[name], seconds)
        outcomes.append(outcome)
        verdict = "FAILED" if outcome.failed else ""
        click.echo(f"{name:<28}{outcome.executed:>12,}{outcome.edges:>8}{outcome.kept:>7}  {verdict}".rstrip())
        for line in how_to_repeat(outcome):
            click.echo(line)
    click.echo(f"{sum(outcome.executed for outcome in outcomes):,} inputs, {len(outcomes)} targets")
    sys.exit(any(outcome.failed for outcome in outcomes))


def fuzz(target: Target, seconds: int) -> Outcome:
    """Return what came of fuzzing one target."""
    corpus, crashes = _ROOT / "corpus" / target.name, _ROOT / "crashes"
    for directory in (corpus, crashes):
        directory.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    words = _ROOT / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in TELLING if 0 < len(word) < 64))
    before = set(crashes.iterdir())
    options = {
        "max_total_time": seconds,
        "max_len": target.max_length,
        "timeout": _SLOW,
        "rss_limit_mb": _MEMORY,
        "dict": words,
        "artifact_prefix": f"{crashes}/{target.name}-",
        "print_final_stats": 1,
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.engine", target.name),
            *(f"-{name}={value}" for name, value in options.items()),
            str(corpus),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    output = done.stdout + done.stderr
    (_ROOT / f"{target.name}.log").write_text(output)
    return Outcome.of(target.name, output, done.returncode, sorted(set(crashes.iterdir()) - before))


def how_to_repeat(outcome: Outcome) -> Iterator[str]:
    """Yield what to type to see again what went wrong."""
    for crash in outcome.crashes:
        yield f"  again: {sys.executable} -m tests.fuzz.engine {outcome.target} {crash}"
    if outcome.failed and not outcome.crashes:
        yield f"  see {_ROOT / outcome.target}.log"


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
