"""What containerd holds: the blobs of its content store, as they lie there, and the repositories they came from.

containerd writes a blob elsewhere, puts it among the others when it is whole, and never changes it after that. So the
names in its directories are all there is to follow. Where a blob came from only containerd's own database says, which
`ctr` reads; it finds containerd as it always does, by $CONTAINERD_ADDRESS.
"""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from p2player.errors import DaemonUnreachable, InvalidConfig, InvalidDigest, InvalidReference, StorageError
from p2player.oci.digest import Digest
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.reference import Repository
from p2player.runtime.programs import ProgramStream, output_of

log = logging.getLogger(__name__)

DEFAULT_ROOT: Final = Path("/var/lib/containerd")
_BLOBS = "io.containerd.content.v1.content/blobs"
# What containerd notes at a blob that it pulled: the registry, and the repositories there that had it.
_SOURCE = re.compile(r"(?:^|,)containerd\.io/distribution\.source\.([^=,]+)=([^=]*)(?=,[^,=]+=|$)")
_FORMS = "write containerd, or containerd=ROOT with its root directory as an absolute path"
_COARSE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """The blobs that were there at a look, and by what to tell whether there may be others now."""

    blobs: frozenset[Digest]
    marks: tuple[tuple[str, int, int], ...]
    settled: bool
    """False if entries may have come or gone right after the look without leaving a mark: clocks of disks are coarse."""


class ContentStore:
    """The content store of the containerd whose root directory this is."""

    def __init__(self, root: Path) -> None:
        self.owner = f"containerd:{root}"
        self._root = root
        self._blobs = root / _BLOBS

    def check(self) -> None:
        """Raise StorageError if it may not be read. It need not be there yet."""
        try:
            self.look()
        except PermissionError as error:
            raise StorageError(
                f"the blobs of containerd cannot be read: {error}",
                hint="run the daemon as root, or do without --adopt containerd",
            ) from error
        if not self._blobs.is_dir():
            log.warning("%s is not there yet, so there is nothing of containerd's to offer", self._blobs)

    def look(self, before: Seen | None = None) -> Seen:
        """Return what is there now; it is `before` itself if nothing has come or gone since."""
        marks = self._marks()
        if before is not None and before.settled and before.marks == marks:
            return before
        newest = max((mark for _, mark, _ in marks), default=0)
        blobs = frozenset(digest for name, _, _ in marks for digest in _digests(self._blobs / name))
        return Seen(blobs, marks, settled=time.time_ns() - newest > _COARSE_NS)

    def path(self, digest: Digest) -> Path:
        """Return where a blob lies, if it is there."""
        return self._blobs / digest.algorithm / digest.hex

    def _marks(self) -> tuple[tuple[str, int, int], ...]:
        try:
            with os.scandir(self._blobs) as algorithms:
                found = [(entry.name, entry.stat()) for entry in algorithms if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted((name, stat.st_mtime_ns, stat.st_ino) for name, stat in found))

    async def repositories(self) -> dict[Digest, list[Repository]]:
        """Return the repositories that containerd says its blobs came from; nothing if it cannot be asked."""
        found: dict[Digest, list[Repository]] = {}
        try:
            for namespace in await namespaces():
                listing = await output_of("ctr", "--namespace", namespace, "content", "list")
                for digest, repository in parse_sources(listing):
                    found.setdefault(digest, []).append(repository)
        except DaemonUnreachable as error:
            log.warning("containerd does not tell where its blobs came from: %s", error)
        return found


async def namespaces() -> list[str]:
    """Return the namespaces of containerd. Raises DaemonUnreachable."""
    return (await output_of("ctr", "namespaces", "list", "--quiet")).split()


def open_containerd_image(name: str, namespace: str) -> DockerArchiveSource:
    """Return the image that containerd has under name, in a namespace or (empty) in the one that `ctr` uses.

    Only the platforms that are there are read. Raises DaemonUnreachable.
    """
    chosen = ("--namespace", namespace) if namespace else ()
    return DockerArchiveSource(f"containerd:{name}", ProgramStream("ctr", *chosen, "images", "export", "-", name))


def read_roots(raw: object) -> tuple[Path, ...]:
    """Return the root directories that a setting names: `containerd`, or `containerd=ROOT`. Raises InvalidConfig."""
    if not isinstance(raw, list | tuple):
        raise InvalidConfig(f"a list of runtimes is needed here, not {raw!r}", hint=_FORMS)
    roots = []
    for runtime in raw:
        name, equals, root = str(runtime).partition("=")
        if name != "containerd" or (equals and not root.startswith("/")):
            raise InvalidConfig(f"not a runtime whose blobs can be offered: {str(runtime)[:200]!r}", hint=_FORMS)
        roots.append(Path(root) if equals else DEFAULT_ROOT)
    return tuple(dict.fromkeys(roots))


def parse_sources(listing: str) -> list[tuple[Digest, Repository]]:
    """Return digest and repository for every source that a line of `ctr content list` names."""
    found = []
    for line in listing.splitlines():
        digest, _, rest = line.partition("\t")
        for registry, paths in _SOURCE.findall(rest.rpartition("\t")[2]):
            for path in paths.split(","):
                try:
                    found.append((Digest.parse(digest), Repository.of(registry, path)))
                except (InvalidDigest, InvalidReference):
                    log.debug("not a source: %r of %r", path, registry)
    return found


def _digests(directory: Path) -> Iterator[Digest]:
    """Yield the digests that files in a directory are named by."""
    try:
        names = os.listdir(directory)  # noqa: PTH208  (twice as fast, with twenty thousand of them)
    except FileNotFoundError:
        return
    for name in names:
        with suppress(InvalidDigest):
            yield Digest.parse(f"{directory.name}:{name}")
