"""What setup is to reach, and what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2player.config import HostPort
from p2player.runtime.setup.access import Access


@dataclass(frozen=True, slots=True)
class Target:
    """Where a runtime is to be pointed, and what is known about the runtime."""

    endpoint: str
    """`HOST:PORT` of the node's registry endpoint."""
    registries: tuple[str, ...] = ()
    """Registries to mirror besides the usual ones, where each has to be named."""
    version: tuple[int, int] | None = None
    """Major and minor version of the runtime, if it could be told."""
    containerd_store: bool = False
    """Whether a Docker daemon that runs here keeps its images in containerd's store."""
    flags: tuple[str, ...] = ()
    """The arguments with which a Docker daemon runs here."""
    asks: tuple[str, ...] = ()
    """What the endpoint wants of its clients: any of "tls", "token", "certificate"."""
    access: Access = field(default_factory=Access)
    """What a client has for that."""

    @property
    def is_tls(self) -> bool:
        """Whether the endpoint is spoken to over TLS."""
        return "tls" in self.asks

    @property
    def url(self) -> str:
        """The endpoint as runtimes are told of it."""
        return f"{'https' if self.is_tls else 'http'}://{self.endpoint}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files as they should be, whole, and what a user has to know besides."""

    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def reached(address: HostPort) -> HostPort:
    """Return where something that listens at address is reached from this machine."""
    if address.ip is None or not address.ip.is_unspecified:
        return address
    return HostPort("127.0.0.1" if address.ip.version == 4 else "::1", address.port)
