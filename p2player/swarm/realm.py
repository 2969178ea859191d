"""What of a cluster enters the infohashes of its swarms."""

from dataclasses import dataclass
from typing import Final

from p2player.peer.tls import ClusterTls


@dataclass(frozen=True, slots=True)
class Realm:
    """The swarms of one cluster under one secret; those of a cluster without one have neither of these.

    The salt is derived from the secret, so that nobody outside can name a swarm. The root certificate (PEM) is that of
    the CA whose certificates the members of a swarm show each other; without it a swarm speaks plain BitTorrent.
    """

    salt: bytes = b""
    root_certificate: bytes = b""

    @property
    def is_open(self) -> bool:
        """Whether everybody can be in it."""
        return not self.salt


OPEN: Final = Realm()
"""That of a cluster without a secret."""


class Realms:
    """The realms that a node is in, by its certificates. Whoever calls it gets those of now, the current one first."""

    def __init__(self, tls: ClusterTls) -> None:
        self._tls = tls
        self._realms = self._derive()
        tls.on_change(self._follow)

    def __call__(self) -> tuple[Realm, ...]:
        """Return them."""
        return self._realms

    def _follow(self) -> None:
        self._realms = self._derive()

    def _derive(self) -> tuple[Realm, ...]:
        found = (Realm(one.secret.derive("swarm"), one.credential.root) for one in self._tls.memberships)
        return tuple(found) or (OPEN,)
