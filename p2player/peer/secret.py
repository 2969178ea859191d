"""The cluster secret, and the keys that are made of it. Who does not know it can neither read nor join the cluster."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2player.errors import InvalidConfig

_KEY_BYTES = 32
_MIN_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class ClusterSecret:
    """What all nodes of a cluster know.

    Without one (`is_public`) the same keys are made of nothing, so that one code path serves both; they then keep
    accidents apart, not attackers.
    """

    raw: bytes = field(default=b"", repr=False)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Return the secret kept in path, white space around it ignored. Raises InvalidConfig."""
        try:
            raw = path.read_bytes().strip()
        except OSError as error:
            raise InvalidConfig(f"cannot read the secret file {path}: {error.strerror}") from error
        if len(raw) < _MIN_SECRET_BYTES:
            raise InvalidConfig(
                f"the secret in {path} has {len(raw)} bytes; at least {_MIN_SECRET_BYTES} are needed",
                hint="make one with: head -c 32 /dev/urandom | base64 > FILE, and copy it to every node",
            )
        return cls(raw)

    @property
    def is_public(self) -> bool:
        """Whether there is no secret."""
        return not self.raw

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for one purpose (HKDF, RFC 5869); different purposes give unrelated keys."""
        hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"p2player {purpose} v1".encode())
        return hkdf.derive(self.raw)
