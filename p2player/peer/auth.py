"""Proof that a request between nodes comes from somebody who knows the cluster secret.

Each request carries a time and an HMAC-SHA-256 over method, path and that time. A copied header works for a minute, for
the same request only; all requests read, so a repeated one does no harm.
"""

import hashlib
import hmac
import re

from p2player.peer.secret import ClusterSecret

MAX_AGE = 60
"""Seconds a request's time may differ from ours, either way."""

_HEADER = re.compile(r"P2Player ([0-9]{1,12}) ([0-9a-f]{64})", re.ASCII)


class RequestAuth:
    """Signs and checks requests with a key made of the cluster secret."""

    def __init__(self, secret: ClusterSecret) -> None:
        self._key = secret.derive("peer")

    def sign(self, method: str, path: str, now: float) -> str:
        """Return the Authorization header of a request made at Unix time now."""
        return f"P2Player {int(now)} {self._mac(method, path, int(now))}"

    def accepts(self, header: str, method: str, path: str, now: float) -> bool:
        """Tell whether header is that of this request, made within MAX_AGE of Unix time now."""
        match = _HEADER.fullmatch(header)
        if match is None:
            return False
        made = int(match[1])
        return abs(now - made) <= MAX_AGE and hmac.compare_digest(match[2], self._mac(method, path, made))

    def _mac(self, method: str, path: str, made: int) -> str:
        return hmac.new(self._key, f"{method}\n{path}\n{made}".encode(), hashlib.sha256).hexdigest()
