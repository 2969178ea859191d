"""Many nodes that want a new image in the same moment, over links of equal speed, against what the links allow at best.

The two crowds are scenarios of netsim, which also has the bound; beside them is what curl takes for the same bytes.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import SystemRandom
from typing import Final

from bench.figures import COPIES, PERCENT, SECONDS, TIMES_BOUND, AtMost, Figure, Outcome, Plain, Samples, Skipped
from bench.tools import curl
from bench.workspace import Workspace
from netsim.emulate.crowd import emulate
from netsim.emulate.links import Hosts
from netsim.emulate.needs import missing, not_root
from netsim.emulate.registry import Registry
from netsim.noise import noise_image
from netsim.results.figures import durations
from netsim.results.run import Run
from netsim.scenarios import crowds
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Rollout
from netsim.sizes import MIB, size_text

NODES: Final = 16
RATE: Final = 50.0  # Mbit/s each way
_LARGEST: Final = 256 * MIB
_REPOSITORY: Final = "team/app"
_TOOLS: Final = ("ip", "tc", "nsenter", "docker-registry", "skopeo", "curl")


def cold_crowd(workspace: Workspace) -> Iterator[Outcome]:
    """Yield times and copies of nodes that pull at once what only their registry has."""
    subject = f"{NODES} nodes at once, nobody has it"
    if reason := not_root() or missing(*_TOOLS):
        yield Skipped(subject, reason)
        return
    options = _options(workspace)
    crowd, alone = crowds.cold(options), crowds.cold(replace(options, nodes=1))
    plain = _curl(workspace, crowd)
    single = emulated(workspace, alone, options)
    run = emulated(workspace, crowd, options)
    what = size_text(options.size)
    yield Figure(f"{what}, one node alone", SECONDS, Samples.of(durations(single)), Plain("curl", Samples.of([plain])))
    yield from _times(f"{what}, {subject}", crowd, run, plain)
    copies = Samples.of(run.upstream)
    yield Figure(f"{what}, {subject}: left the registry", COPIES, copies, target=_at_most(crowd.goals.copies))


def warm_crowd(workspace: Workspace) -> Iterator[Outcome]:
    """Yield times and copies of nodes that pull at once what one of them has, and no registry."""
    subject = f"{NODES} nodes at once, one has it"
    if reason := not_root() or missing(*_TOOLS):
        yield Skipped(subject, reason)
        return
    options = _options(workspace)
    crowd = crowds.warm(options)
    plain = _curl(workspace, crowd)
    run = emulated(workspace, crowd, options)
    what = size_text(options.size)
    yield from _times(f"{what}, {subject}", crowd, run, plain)
    copies = run.traffic[0].sent / options.size
    yield Figure(f"{what}, {subject}: left the seed, headers included", COPIES, Samples.of([copies]))


def _times(subject: str, crowd: Rollout, run: Run, plain: float) -> Iterator[Figure]:
    goals, seconds = crowd.goals, durations(run)
    alone = Plain("curl alone", Samples.of([plain]))
    yield Figure(f"{subject}: last node", SECONDS, Samples.of([seconds[-1]]), alone)
    times = Samples.of([each / crowd.bound for each in seconds])
    last = Samples.of([seconds[-1] / crowd.bound])
    yield Figure(f"{subject}: each node", TIMES_BOUND, times, target=_at_most(goals.median))
    yield Figure(f"{subject}: last node", TIMES_BOUND, last, target=_at_most(goals.last))
    yield Figure(f"{subject}: took of this machine's cores", PERCENT, Samples.of([run.busy]))


def _at_most(limit: float | None) -> AtMost | None:
    return None if limit is None else AtMost(limit)


def _options(workspace: Workspace) -> Options:
    return Options(NODES, SystemRandom().getrandbits(32), min(workspace.size, _LARGEST), RATE)


def emulated(workspace: Workspace, rollout: Rollout, options: Options) -> Run:
    """Return what has become of a rollout with real daemons. Raises what `emulate` raises."""
    return emulate(rollout, options, tell=lambda text: workspace.say(f"{rollout.name}: {text}"))


def _curl(workspace: Workspace, crowd: Rollout) -> float:
    """Return the seconds that curl takes for all layers of the image from a registry alone, one after the other."""
    workspace.say(f"{crowd.name}: curl alone")
    image = noise_image(workspace.path("image"), crowd.images[0].layers, SystemRandom())
    target = workspace.path("curl")
    with Hosts(2, rate_mbit=RATE) as net, Registry(workspace.directory_for("registry"), host=net.hosts[0]) as registry:
        registry.fill(image, f"{_REPOSITORY}:1")
        urls = [f"{registry.url}/v2/{_REPOSITORY}/blobs/{layer}" for layer in image.layers]
        seconds = sum(curl(url, target, host=net.hosts[1]) for url in urls)
    target.unlink()
    return seconds
