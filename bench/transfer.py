"""One peer to one peer: a blob that was fetched and verified, against `curl` to a file and `sha256sum`."""

import time
from collections.abc import Callable, Iterator

from bench.figures import MIB_PER_SECOND, Figure, Outcome, Plain, Samples, Skipped, TimesPlain
from bench.tools import Nginx, curl, sha256sum
from bench.workspace import Blob, Workspace, pull
from netsim.emulate.daemons import Daemon
from netsim.emulate.needs import missing
from netsim.sizes import MIB, size_text


def transfer(workspace: Workspace) -> Iterator[Outcome]:
    """Yield the rates of the transfer alone, and of the whole command. A new node fetches each time."""
    subject = f"{size_text(workspace.size)}, one peer to one peer"
    if reason := missing("nginx", "curl", "sha256sum"):
        yield Skipped(subject, reason)
        return
    workspace.say(f"transfer: making and seeding {size_text(workspace.size)}")
    blob = workspace.blob(workspace.size)
    plain, alone, command = [], [], []
    with Nginx(workspace.directory, workspace.path("nginx")) as nginx, workspace.seeder([blob]) as seed:
        url = f"http://{nginx.address}/{blob.path.name}"
        for number in range(1, workspace.runs + 1):
            workspace.say(f"transfer: round {number} of {workspace.runs}")
            alone.append(_fetch(workspace, seed, blob, lambda node: pull(node, blob.digest)))
            plain.append(_plain(workspace, url, blob))
            command.append(_fetch(workspace, seed, blob, lambda node: node.p2player("fetch", blob.digest)))
    blob.path.unlink()
    reference = Plain("curl, sha256sum", Samples.of(plain))
    yield Figure(f"{subject}: transfer", MIB_PER_SECOND, Samples.of(alone), reference, TimesPlain(0.8))
    yield Figure(f"{subject}: whole command", MIB_PER_SECOND, Samples.of(command), reference)


def _fetch(workspace: Workspace, seed: Daemon, blob: Blob, fetch: Callable[[Daemon], object]) -> float:
    with workspace.daemon(join=[seed.cluster]) as node:
        began = time.perf_counter()
        fetch(node)
        return blob.size / MIB / (time.perf_counter() - began)


def _plain(workspace: Workspace, url: str, blob: Blob) -> float:
    target = workspace.path("curl")
    seconds = curl(url, target) + sha256sum(target)
    target.unlink()
    return blob.size / MIB / seconds
