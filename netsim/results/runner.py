"""Runs a set, each run in a process of its own: then its memory can be told, and one that fails ends no other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from netsim.results.collection import Cost, load_costs, save_costs
from netsim.results.sets import Entry
from netsim.telling import Tell

_LONGEST: Final[dict[str, float]] = {"emulate": 300.0, "simulate": 600.0}
"""Seconds after which a run is ended."""
_TO_END: Final = 60.0
"""Seconds that a run has for ending what it started."""


def run_set(entries: Sequence[Entry], directory: Path, tell: Tell) -> None:
    """Run all, write the result of each and what it cost into a directory; a run that fails is told, and there. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    costs = load_costs(directory)
    for number, entry in enumerate(entries, 1):
        tell(f"{number}/{len(entries)} {entry.name}")
        cost = _run(entry, directory)
        costs[entry.name] = cost
        save_costs(directory, costs)
        tell(f"    {cost.failure or f'{cost.seconds:.0f} s, {cost.memory / (1 << 20):.0f} MiB'}")


def _run(entry: Entry, directory: Path) -> Cost:
    result, log = directory / f"{entry.name}.json", directory / f"{entry.name}.log"
    options = entry.options
    began = time.monotonic()
    with result.open("wb") as output, log.open("wb") as messages:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "netsim", entry.half, entry.scenario, "--json",
                f"--nodes={options.nodes}", f"--seed={options.seed}", f"--size={options.size}", f"--rate={options.rate}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=messages,
        )  # fmt: skip
        try:
            code, memory = _wait(process, began + _LONGEST[entry.half])
        except BaseException:
            _end(process)
            result.unlink()
            raise
    seconds = time.monotonic() - began
    if code == 0:
        log.unlink()
        return Cost(seconds, memory)
    result.unlink()
    if code is None:
        return Cost(seconds, 0, f"not done after {seconds:.0f} s")
    return Cost(seconds, memory, _last_words(log) or f"ended with {code}")


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[int | None, int]:
    """Return the exit code, None if it had to be ended, and how much memory it took at most, in bytes."""
    while time.monotonic() < until:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss * 1024
        time.sleep(0.1)
    _end(process)
    return None, 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it as Ctrl-C does, so that it leaves nothing behind."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    """Return what it said at its end: the line before the last one if that is a hint."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(" ")]
    return "; ".join(said[-2:])
