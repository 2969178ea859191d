"""How one registry outside the cluster is asked."""

import ipaddress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

from p2player.oci.reference import DOCKER_HUB

HUB_URL: Final = "https://registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """One upstream. `registry` is its name in references; `urls` are where it answers, tried in order."""

    registry: str
    urls: tuple[str, ...]
    ca: Path | None = None
    """Certificates to trust besides the system's (PEM)."""
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = None
    """An HTTP proxy; None means what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."""
    login: Literal["client", "node"] = "client"
    """Whose credentials must be good for a private repository: those each client sends, or this node's for everybody."""
    tag_ttl: float = 60.0
    """Seconds for which a tag that the registry has confirmed is not asked for again."""
    access_ttl: float = 300.0
    """Seconds for which a client whose credentials were good is not checked again."""
    stale: bool = True
    """Whether the newest known meaning of a tag is served while the registry cannot be asked."""
    stale_access: bool = False
    """Whether clients whose credentials were good before are let in while the registry cannot be asked."""
    public_only: bool = False
    """Whether only public addresses are connected to: so for a registry that was not configured."""

    @classmethod
    def public(cls, registry: str) -> Self | None:
        """Return how a registry is asked that nobody configured, or None if its name is not one all the world knows.

        A name that all the world knows is a domain name without a port: at any other, a client could make this node
        knock on doors of its own network.
        """
        if ":" in registry or "." not in registry or _is_address(registry):
            return None
        return cls(registry, (default_url(registry),), public_only=True)

    def anchored(self, base: Path) -> Self:
        """Return the same with its paths relative to base."""
        ca, cert, key = (path and base / path for path in (self.ca, self.client_cert, self.client_key))
        return replace(self, ca=ca, client_cert=cert, client_key=key)


def default_url(registry: str) -> str:
    """Return where a registry answers if nobody says otherwise."""
    return HUB_URL if registry == DOCKER_HUB else f"https://{registry}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text.rpartition(".")[2].isdigit()  # what some resolvers take for an address: 127.1
    return True
