"""How long a container runtime waits for the first byte of a layer, and for all of it, through the endpoint."""

from collections.abc import Iterator, Sequence

from bench.figures import MIB_PER_SECOND, MILLISECONDS, AtMost, Figure, Outcome, Plain, Samples, Skipped
from bench.probe import Timing, get
from bench.tools import Nginx
from bench.workspace import Blob, Workspace
from netsim.emulate.needs import missing
from netsim.sizes import MIB, size_text

_SMALLER = 64 * MIB
_STORE_LIMIT, _PEER_LIMIT = 5, 100  # milliseconds


def first_byte(workspace: Workspace) -> Iterator[Outcome]:
    """Yield times from the store and from a peer, for two sizes: the first byte must not depend on the size."""
    if reason := missing("nginx"):
        yield Skipped("first byte through the endpoint", reason)
        return
    for size in sorted({min(_SMALLER, workspace.size), workspace.size}):
        workspace.say(f"first-byte: {size_text(size)}")
        blob = workspace.blob(size)
        yield from _of_size(workspace, blob)
        blob.path.unlink()


def _of_size(workspace: Workspace, blob: Blob) -> Iterator[Outcome]:
    plain, stored, remote = [], [], []
    with Nginx(workspace.directory, workspace.path("nginx")) as nginx, workspace.seeder([blob]) as seed:
        for _ in range(workspace.runs):
            plain.append(get(nginx.address, f"/{blob.path.name}"))
            stored.append(get(seed.registry, blob.url_path))
            with workspace.daemon(join=[seed.cluster]) as node:
                remote.append(get(node.registry, blob.url_path))
    size = size_text(blob.size)
    yield _first(f"{size} from the store: first byte", stored, plain, _STORE_LIMIT)
    yield _first(f"{size} from a warm peer: first byte", remote, plain, _PEER_LIMIT)
    yield _whole(f"{size} from the store: whole", stored, plain)
    yield _whole(f"{size} from a warm peer: whole", remote, plain)


def _first(subject: str, ours: Sequence[Timing], plain: Sequence[Timing], limit: float) -> Figure:
    def milliseconds(timings: Sequence[Timing]) -> Samples:
        return Samples.of([timing.first_byte * 1000 for timing in timings])

    return Figure(subject, MILLISECONDS, milliseconds(ours), Plain("nginx", milliseconds(plain)), AtMost(limit))


def _whole(subject: str, ours: Sequence[Timing], plain: Sequence[Timing]) -> Figure:
    def rates(timings: Sequence[Timing]) -> Samples:
        return Samples.of([timing.size / MIB / timing.whole for timing in timings])

    return Figure(subject, MIB_PER_SECOND, rates(ours), Plain("nginx", rates(plain)))
