"""Writes `docs/scale.md`, its plots, and the curves in `docs/beyond.md`, from the results of many runs."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netsim.machine import describe_machine
from netsim.results import overviews, sections
from netsim.results.collection import Collection
from netsim.results.growth import growths
from netsim.results.markdown import replace_between
from netsim.results.run import Run
from netsim.results.style import save

_REASONS: Final = Path(__file__).with_name("reasons.toml")
BEGIN: Final = "<!-- what follows is written by `python -m netsim report` -->"
END: Final = "<!-- what is above is written by `python -m netsim report` -->"

_HEAD: Final = """# Scale

How p2player behaves when a cluster starts an image, loses nodes, is cut in two, and grows. This page is written by
`make netsim` from what it has just run; what the figures mean for larger clusters is in [beyond](beyond.md).

    make netsim                                                     everything on this page (the emulated half needs root)
    .venv/bin/python -m netsim list                                 the scenarios
    .venv/bin/python -m netsim emulate cold-flash-crowd --nodes 8 --rate 20    one of them, with real daemons and links
    .venv/bin/python -m netsim simulate cold-flash-crowd --nodes 1000          the same in virtual time

**Emulated**: real daemons, each in a network namespace with a shaped link, a real registry behind a link of its own.
**Simulated**: the real DHT, discovery and pull policy of each node in one process, in virtual time, over a model of links
and of libtorrent; the same options give the same result to the byte.

## The bound

Times are multiples of D*, the least time in which nodes that begin at once can all have an image of F bytes, whatever the
protocol. With sources that send u_s together, and N nodes that receive d_i and send u_i,

    D* = max(F / u_s,  F / min d_i,  N F / (u_s + Σ u_i))

since every byte has to leave the sources once, the slowest node has to receive every byte, and the N F bytes that are received
have all to be sent by somebody. What nobody in a zone has must come in over the zone's link: F over its rate is the fourth bound.
The fluid bound, and that it can be reached with pieces that are small enough, is in Kumar and Ross,
*Peer-assisted file distribution: the minimum distribution time*, IEEE HOTWEB 2006.
"""


def write(collection: Collection, docs: Path) -> None:
    """Write the pages and plots into the directory of documents. Raises OSError, ValueError if beyond.md has no place for curves."""
    (docs / "plots").mkdir(parents=True, exist_ok=True)
    drawn = _draw(collection, docs / "plots")
    reasons: dict[str, str] = tomllib.loads(_REASONS.read_text(encoding="utf-8"))
    (docs / "scale.md").write_text(page(collection, drawn, reasons), encoding="utf-8")
    beyond = docs / "beyond.md"
    curves = f"\n{sections.growth(growths(collection))}\n"
    beyond.write_text(replace_between(beyond.read_text(encoding="utf-8"), BEGIN, END, curves), encoding="utf-8")


def _draw(collection: Collection, plots: Path) -> set[str]:
    figures = {}
    if pairs := _one_each(collection):
        figures["completion"] = overviews.completion(pairs)
    if runs := _largest(collection):
        figures["spread"] = overviews.spread(runs)
    if collection.directory_runs():
        figures["directory"] = overviews.directories(collection)
    if known := [one for one in growths(collection) if one.curve]:
        figures["growth"] = overviews.growth(known)
    for name, figure in figures.items():
        save(figure, plots / name)
    return set(figures)


def page(collection: Collection, drawn: set[str], reasons: Mapping[str, str]) -> str:
    """Return the page, with those plots that were drawn, and the reasons of goals that are missed by `half.scenario`."""
    emulated, simulated = collection.runs("emulate"), collection.runs("simulate")
    parts = [
        _HEAD,
        "## The scenarios\n",
        sections.questions(),
        f"Run on {describe_machine()}.\n",
        "## Goals\n",
        sections.goals(collection.results, reasons),
        "## Rollouts, emulated\n",
        sections.rollouts(emulated) if emulated else "Left out: see below.\n",
        _ROLLOUT_LEGEND,
        "## Rollouts, simulated\n",
        sections.rollouts(simulated),
    ]
    if "spread" in drawn:
        parts += ["![How evenly sending is spread over nodes](plots/spread.svg)\n"]
    if pairs := collection.pairs():
        parts += [
            "## Emulated against simulated\n",
            _COMPARISON,
            sections.comparison(pairs),
            "![Pulls done against time, emulated and simulated](plots/completion.svg)\n",
        ]
    if "directory" in drawn:
        parts += [
            "## The DHT\n",
            "Latency between two nodes is 5 to 50 ms one way; a round of questions waits for the slower of those that it asks.\n",
            sections.lookups(collection),
            sections.loads(collection),
            "![What lookups cost, and who bears them](plots/directory.svg)\n",
        ]
    if "growth" in drawn:
        parts += [
            "## Growth\n",
            "Of a + b log2 N, a + b √N and a + b N, the one nearest to what was seen. The error is the root of the mean square.\n",
            sections.growth(growths(collection)),
            "![Growth with the number of nodes](plots/growth.svg)\n",
        ]
    parts += ["## What it took\n", sections.costs(collection.costs)]
    if missing := sections.left_out(collection.costs):
        parts += ["## Left out\n", missing]
    return "\n".join(parts)


_COMPARISON: Final = """The same scenario with the same options in both halves. *Furthest apart* is the largest distance of the simulated from the
emulated curve, at 10, 20, … 100 % of the pulls.
"""
_ROLLOUT_LEGEND: Final = """*p50*, *p99*, *last*: what half, 99 % and all of the pulls took at most, those of nodes that died left out; *never*: one of them did
not end well. *Copies*: how often the image left the registry, and the node that had it from the beginning. *Redundant*: bytes of layers
that were received and not needed; *control*: bytes of anything else; both of all bytes received. *Most sent*: by one node, against the
mean. *Cores busy*: where this is near 100 %, the processor was measured and not the links.
"""


def _one_each(collection: Collection) -> list[tuple[Run, Run]]:
    """Return the largest pair of each scenario."""
    return list({emulated.scenario: (emulated, simulated) for emulated, simulated in collection.pairs()}.values())


def _largest(collection: Collection) -> list[Run]:
    """Return the largest run of each rollout, simulated: what is even among eight nodes says little."""
    return list({run.scenario: run for run in collection.runs("simulate")}.values())
