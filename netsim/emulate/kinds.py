"""The runtimes that people have, handled alike: Debian 12's, and today's."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from netsim.emulate.packages import current_runtimes
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Containerd, Dockerd, Mirrored, Podman


class Runtime(Protocol):
    """What every runtime can do. A login is USER:PASSWORD."""

    def pull(self, reference: str, *, login: str | None = None) -> None:
        """Pull reference."""

    def remove(self, reference: str) -> None:
        """Remove a pulled image with all of its content."""

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of runtime."""

    title: str
    tools: tuple[str, ...]
    """Programs it needs in PATH."""
    is_current: bool
    """Whether its own programs are those of `netsim.emulate.packages`."""
    start: Callable[[Path, Sequence[Mirrored]], AbstractContextManager[Runtime]]
    """Gives a runtime with its state below an empty directory, behind these mirrors."""
    names: Literal["address", "hub"]
    """Which names it can pull by, when the registry is on loopback.

    dockerd's older store mirrors no registry but Docker Hub, and dockerd has no credentials for a registry under another
    name than the one it connects to.
    """
    logs_in: bool
    """Whether it shows its credentials to a mirror."""

    def name_of(self, registry: Registry) -> str:
        """Return the name by which it can pull from a registry."""
        return {"address": registry.name, "hub": "docker.io"}[self.names]


def _today_containerd(root: Path, mirrored: Sequence[Mirrored]) -> Containerd:
    return Containerd(root, mirrored, programs=current_runtimes())


def _today_dockerd(root: Path, mirrored: Sequence[Mirrored]) -> Dockerd:
    return Dockerd(root, mirrored, programs=current_runtimes(), containerd_store=True)


KINDS = (
    Kind("dockerd-20.10", ("dockerd", "docker", "containerd", "runc"), False, Dockerd, "hub", False),
    Kind("containerd-1.6", ("containerd", "ctr", "runc"), False, Containerd, "address", True),
    Kind("podman-4.3", ("podman", "runc"), False, Podman, "address", True),
    Kind("dockerd-28.5", ("runc",), True, _today_dockerd, "address", False),
    Kind("containerd-2.1", ("runc",), True, _today_containerd, "address", True),
)
