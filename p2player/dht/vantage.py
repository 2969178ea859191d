"""Which of its addresses a node is reached at, when it listens on all of them."""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

_VOTERS: Final = 32


class Vantage:
    """The host to put into records: the one bound, or for a wildcard the one most other nodes see."""

    def __init__(self) -> None:
        self._fixed = False
        self._votes: OrderedDict[bytes, str] = OrderedDict()
        self.host = "127.0.0.1"

    def bound_to(self, host: str, guess: Callable[[str], str]) -> None:
        """Take in the host that is listened on; guess tells the best one until others are heard, if it is a wildcard."""
        self._fixed = not ipaddress.ip_address(host).is_unspecified
        self.host = host if self._fixed else guess(host)

    @property
    def unconfirmed(self) -> bool:
        """Whether the host is only a guess."""
        return not self._fixed and not self._votes

    def seen_from(self, voter: bytes, host: str) -> bool:
        """Take in that the node voter sees us at host. Returns whether our own idea of it has changed."""
        if self._fixed or self._votes.get(voter) == host:
            return False
        self._votes[voter] = str(ipaddress.ip_address(host))
        if len(self._votes) > _VOTERS:
            self._votes.popitem(last=False)
        before, self.host = self.host, self._elected()
        return self.host != before

    def _elected(self) -> str:
        # A node on the same machine sees us at a loopback address that is of no use to the others.
        votes = Counter(self._votes.values())
        return max(votes, key=lambda host: (not is_loopback(host), votes[host], host == self.host))


def voter(node_id: bytes, host: str) -> bytes:
    """Return as whom a node speaks of what can be invented: all nodes of one host are one, except on this very machine."""
    return node_id if is_loopback(host) else host.encode()


def is_loopback(host: str) -> bool:
    """Tell whether an address means the machine it is used on."""
    return host.startswith("127.") or host == "::1"
