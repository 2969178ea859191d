"""What a soak runs on: a registry, images of random bytes, and nodes that share a secret, all on loopback."""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Self

from netsim.emulate.processes import run
from netsim.emulate.registry import Registry
from netsim.image import Image
from netsim.noise import noise_image
from netsim.soak.member import BusyError, Member

_SEEDED: Final = "soak.example"
"""A registry that does not exist: what is called so was seeded, and nobody outside has it."""
_LAYERS: Final = (60_000, 1 << 20, 6 << 20)
"""Bytes of the layers of an image: one that nodes ask each other for whole, one of few pieces, one of many."""


@dataclass(frozen=True, slots=True)
class Named:
    """An image and what it is called. Its tag never means another one."""

    image: Image
    registry: str
    repository: str

    @property
    def reference(self) -> str:
        """The whole name."""
        return f"{self.registry}/{self.repository}:1"


class World:
    """Everything that runs, while its context lasts. The directory is the caller's to remove."""

    def __init__(self, root: Path, size: int, rng: Random, *, images: int) -> None:
        """Make size nodes, and as many images for the registry as for seeding."""
        self._root = root
        self._rng = rng
        self._images = images
        self._size = size
        self._running = ExitStack()
        self._registry_changing = threading.Lock()
        self._registry = Registry(_directory(root / "registry"))
        self.secret_file = root / "secret"
        self.upstream: tuple[Named, ...] = ()
        self.seeded: tuple[Named, ...] = ()
        self.members: tuple[Member, ...] = ()

    def __enter__(self) -> Self:
        with self._running:
            self._running.enter_context(self._registry)
            self.upstream = tuple(self._make(number, self._registry.name) for number in range(self._images))
            self.seeded = tuple(self._make(number, _SEEDED) for number in range(self._images, 2 * self._images))
            for named in self.upstream:
                self._registry.fill(named.image, f"{named.repository}:1")
            self.secret_file.write_text(f"{self._rng.randbytes(32).hex()}\n")
            self.secret_file.chmod(0o600)
            upstream = f"{self._registry.name}={self._registry.url}"
            arguments = ("--secret-file", str(self.secret_file), "--upstream", upstream)
            self.members = tuple(
                Member(number, self._root / f"node-{number}", arguments) for number in range(self._size)
            )
            for member in self.members:
                self._running.callback(member.stop)
                member.start(self.doors())
            for named in self.seeded:
                source = f"oci:{named.image.layout}"
                self._rng.choice(self.members).p2player("seed", source, "--as", named.reference)
            self._running = self._running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def images(self) -> Sequence[Named]:
        """All images there are."""
        return (*self.upstream, *self.seeded)

    @property
    def mortals(self) -> Sequence[Member]:
        """The nodes that may be ended: half of them. The others run from beginning to end, so that they can be watched."""
        return self.members[self._size // 2 :]

    @property
    def immortals(self) -> Sequence[Member]:
        """The others."""
        return self.members[: self._size // 2]

    def doors(self) -> list[str]:
        """Return where nodes that run now can be joined."""
        return [member.daemon.cluster for member in self.members if member.daemon is not None]

    def registry_down(self, pause: float) -> None:
        """Take the registry away for so many seconds. Raises BusyError if somebody does already."""
        if not self._registry_changing.acquire(blocking=False):
            raise BusyError
        try:
            self._registry.stop()
            time.sleep(pause)
            self._registry.start()
        finally:
            self._registry_changing.release()

    def rotate_secret(self, seconds: int) -> None:
        """Give the cluster another secret, that begins in so many seconds."""
        run_p2player("secret", "rotate", str(self.secret_file), "--in", f"{seconds}s")

    def _make(self, number: int, registry: str) -> Named:
        layers = [self._rng.randint(size // 2, size) for size in _LAYERS]
        image = noise_image(self._root / f"image-{number}", layers, self._rng)
        return Named(image, registry, f"soak/app-{number}")


def run_p2player(*arguments: str) -> str:
    """Return what the command printed. Raises ProgramError if it fails."""
    return run([sys.executable, "-m", "p2player", *arguments])


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
