"""Where a run keeps its data: blobs nobody has seen before, and daemons that come and go."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from netsim.emulate.daemons import Daemon
from netsim.sizes import MIB
from p2player.control.client import ControlClient

_REPOSITORY: Final = "bench.example/data"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of random bytes, which a plain server and a node can serve alike."""

    path: Path
    digest: str
    size: int

    @property
    def url_path(self) -> str:
        """Where a registry endpoint serves it."""
        return f"/v2/{_REPOSITORY}/blobs/{self.digest}"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A directory that is removed after the run, and how much is to be measured."""

    directory: Path
    size: int
    """Bytes of the large blob."""
    runs: int
    """How many times each pair is measured."""
    _numbers: Iterator[int] = field(default_factory=count)

    def say(self, text: str) -> None:
        """Tell whoever waits what is going on."""
        print(f"{text} …", file=sys.stderr, flush=True)

    def path(self, name: str) -> Path:
        """Return a path that nothing is at yet, short enough for a control socket below it."""
        return self.directory / f"{name}{next(self._numbers)}"

    def directory_for(self, name: str) -> Path:
        """Return a new, empty directory."""
        path = self.path(name)
        path.mkdir()
        return path

    def blob(self, size: int) -> Blob:
        """Return a new file of random bytes."""
        path, hasher = self.path("blob"), hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, size, MIB):
                chunk = os.urandom(min(MIB, size - start))
                hasher.update(chunk)
                file.write(chunk)
        return Blob(path, f"sha256:{hasher.hexdigest()}", size)

    @contextmanager
    def seeder(self, blobs: Sequence[Blob]) -> Iterator[Daemon]:
        """Run a daemon that holds blobs; its data is gone afterwards."""
        with self.daemon() as daemon:
            daemon.p2player("seed", *(str(blob.path) for blob in blobs))
            yield daemon

    @contextmanager
    def daemon(self, *arguments: str, join: Sequence[str] = ()) -> Iterator[Daemon]:
        """Run a daemon that holds nothing, with further arguments of `serve`; its data is gone afterwards."""
        daemon = Daemon(self.path("node"), *arguments, join=join)
        try:
            with daemon:
                # What earlier rounds wrote must not be waited for in the next one.
                os.sync()
                yield daemon
        finally:
            shutil.rmtree(daemon.data_dir, ignore_errors=True)


def pull(daemon: Daemon, target: str) -> None:
    """Let a daemon pull target into its store, as the fetch verb does. Raises P2PlayerError."""

    async def conversation() -> None:
        async with ControlClient(daemon.data_dir) as client:
            async for _ in client.pull(target, None):
                pass

    asyncio.run(conversation())
