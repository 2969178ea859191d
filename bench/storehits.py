"""Layers that the node holds, through the endpoint, against nginx serving the same file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.figures import MIB_PER_SECOND, Figure, Outcome, Plain, Samples, Skipped, TimesPlain
from bench.tools import Nginx, curl, wrk
from bench.workspace import Workspace
from netsim.emulate.needs import missing
from netsim.sizes import MIB, size_text

_LIMIT: Final = TimesPlain(0.8)
_MANY: Final = 32
_WRK_SECONDS: Final = 3


def store_hits(workspace: Workspace) -> Iterator[Outcome]:
    """Yield rates for one client and for many, of a large blob and of a small one."""
    if reason := missing("nginx"):
        yield Skipped("store hits", reason)
        return
    large, small = size_text(workspace.size), size_text(min(MIB, workspace.size))
    jobs: list[tuple[str, str, int, Callable[[str], float]]] = [
        (f"{large}, 1 client", "curl", workspace.size, lambda url: workspace.size / MIB / curl(url, Path("/dev/null"))),
        (f"{large}, {_MANY} clients", "wrk", workspace.size, lambda url: wrk(url, _MANY, _WRK_SECONDS)),
        (f"{small}, 1 client", "wrk", MIB, lambda url: wrk(url, 1, _WRK_SECONDS)),
        (f"{small}, {_MANY} clients", "wrk", MIB, lambda url: wrk(url, _MANY, _WRK_SECONDS)),
    ]
    for subject, tool, size, measure in jobs:
        if reason := missing(tool):
            yield Skipped(subject, reason)
            continue
        workspace.say(f"store-hits: {subject}, with {tool}")
        yield _compare(workspace, f"store hit: {subject}", size, measure)


def _compare(workspace: Workspace, subject: str, size: int, measure: Callable[[str], float]) -> Figure:
    blob = workspace.blob(size)
    ours, plain = [], []
    with Nginx(workspace.directory, workspace.path("nginx")) as nginx, workspace.seeder([blob]) as seed:
        for _ in range(workspace.runs):
            plain.append(measure(f"http://{nginx.address}/{blob.path.name}"))
            ours.append(measure(f"http://{seed.registry}{blob.url_path}"))
    blob.path.unlink()
    return Figure(subject, MIB_PER_SECOND, Samples.of(ours), Plain("nginx", Samples.of(plain)), _LIMIT)
