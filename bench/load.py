"""Many clients that pull an image of many layers through one node, beside docker-registry as a plain pull-through cache."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

from bench.figures import COPIES, COUNT, MIB, SECONDS, AtMost, Figure, Outcome, Plain, Samples, Skipped, Target, Unit
from bench.workspace import Workspace
from netsim.emulate.needs import missing
from netsim.emulate.processes import ProgramError
from netsim.emulate.registry import Registry
from netsim.emulate.usage import open_files, peak_resident
from netsim.image import MANIFEST, Image
from netsim.noise import noise_image
from netsim.sizes import KIB

_CLIENTS: Final = 64
_LAYERS: Final = 200
_LAYER_SIZE: Final = 1024 * KIB
_AT_ONCE: Final = "3"  # layers that a client asks for at once, as dockerd and containerd do
_REPOSITORY: Final = "team/app"
_SUBJECT: Final = f"{_CLIENTS} clients, {_LAYERS} layers"
_CALM: Final = 1.0  # seconds for which the number of descriptors must not change
_CALM_WITHIN: Final = 30


@dataclass(frozen=True, slots=True)
class _Load:
    """What one server made of the clients: seconds, bytes of memory, failed requests, copies from upstream, descriptors."""

    cold: float
    warm: float
    peak: int
    errors: int
    copies: float
    leaked: int


def load(workspace: Workspace) -> Iterator[Outcome]:
    """Yield times, memory, errors and leaked descriptors of one run: first all from upstream, then twice from the store."""
    if reason := missing("docker-registry", "skopeo", "curl"):
        yield Skipped(_SUBJECT, reason)
        return
    workspace.say(f"load: making an image of {_LAYERS} layers")
    image = noise_image(workspace.path("image"), (_LAYER_SIZE,) * _LAYERS, SystemRandom())
    with Registry(workspace.directory_for("registry")) as registry:
        registry.fill(image, f"{_REPOSITORY}:1")
        urls = workspace.path("urls")
        workspace.say(f"load: {_SUBJECT} through p2player")
        with workspace.daemon("--upstream", f"{registry.name}={registry.url}") as node:
            ours = _measure(node.registry, node.pid, registry, image, urls)
        workspace.say(f"load: {_SUBJECT} through docker-registry")
        with Registry(workspace.directory_for("cache"), proxy_of=registry.url) as proxy:
            plain = _measure(proxy.name, proxy.pid, registry, image, urls)

    def figure(what: str, unit: Unit, name: str, scale: float = 1, target: Target | None = None) -> Figure:
        mine, other = (Samples.of([getattr(each, name) / scale]) for each in (ours, plain))
        return Figure(f"{_SUBJECT}: {what}", unit, mine, Plain("docker-registry", other), target)

    yield figure("from upstream", SECONDS, "cold")
    yield figure("from the store", SECONDS, "warm")
    yield figure("left upstream", COPIES, "copies", target=AtMost(1.1))
    yield figure("memory at its peak", MIB, "peak", KIB * KIB, AtMost(512))
    yield figure("failed requests", COUNT, "errors", target=AtMost(0))
    yield figure("descriptors leaked", COUNT, "leaked", target=AtMost(0))


def _measure(address: str, pid: int, registry: Registry, image: Image, urls: Path) -> _Load:
    _write_urls(urls, address, registry, image)
    before = _sent(registry)
    cold, errors = _pull(urls)
    copies = (_sent(registry) - before) / image.total
    warm, more = _pull(urls)
    held = _open_files_when_calm(pid)
    _, most = _pull(urls)
    leaked = max(0, _open_files_when_calm(pid) - held)
    return _Load(cold, warm, peak_resident(pid), errors + more + most, copies, leaked)


def _write_urls(target: Path, address: str, registry: Registry, image: Image) -> None:
    """Write what a client asks for, as a configuration of curl's."""
    base = f"http://{address}/v2/{_REPOSITORY}"
    paths = ["manifests/1", *(f"blobs/{digest}" for digest in image.sizes if digest != image.digest)]
    lines = [f'url = "{base}/{path}?ns={registry.name}"\noutput = "/dev/null"\n' for path in paths]
    target.write_text(f'header = "Accept: {MANIFEST}"\n' + "".join(lines))


def _pull(urls: Path) -> tuple[float, int]:
    """Return the seconds until the last client has the image, and how many requests of all clients failed."""
    command = ["curl", "--parallel", "--parallel-max", _AT_ONCE, "--no-progress-meter", "--fail", "--max-time", "600"]
    command += ["--write-out", "%{http_code} %{exitcode}\n", "--config", str(urls)]
    asked = urls.read_text().count("url = ")
    began = time.perf_counter()
    clients = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(_CLIENTS)
    ]
    try:
        answers = [client.communicate()[0].splitlines() for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.wait()
    return time.perf_counter() - began, sum(asked - lines.count("200 0") for lines in answers)


def _sent(registry: Registry) -> int:
    return sum(answer.bytes for answer in registry.answers if answer.method == "GET")


def _open_files_when_calm(pid: int) -> int:
    deadline = time.monotonic() + _CALM_WITHIN
    while (count := len(open_files(pid))) != _later(pid):
        if time.monotonic() > deadline:
            raise ProgramError(f"process {pid} opens and closes files with nobody there to serve")
    return count


def _later(pid: int) -> int:
    time.sleep(_CALM)
    return len(open_files(pid))
