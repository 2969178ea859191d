"""The cluster secret, and the keys that are made of it. Who does not know it can neither read nor join the cluster."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ClusterSecret:
    """What all nodes of a cluster know.

    Without one (`is_public`) the same keys are made of nothing, so that one code path serves both; they then keep
    accidents apart, not attackers.
    """

    raw: bytes = field(default=b"", repr=False)

    @property
    def is_public(self) -> bool:
        """Whether there is no secret."""
        return not self.raw

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for one purpose (HKDF, RFC 5869); different purposes give unrelated keys."""
        hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"p2player {purpose} v1".encode())
        return hkdf.derive(self.raw)
