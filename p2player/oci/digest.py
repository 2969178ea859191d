"""The name of a blob: an algorithm and the hash of the blob's bytes (OCI image spec, descriptor.md#digests)."""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from p2player.errors import InvalidDigest

if TYPE_CHECKING:
    from hashlib import _Hash
    from pathlib import PurePath

# The registered algorithms a digest may name, and how many hex characters each gives.
_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[a-f0-9]+")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An `algorithm:hex` name. Only `parse` and `of` make one, so one that exists is well formed."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the digest that text spells, or raise InvalidDigest. Only the canonical lower-case form is one."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise InvalidDigest(f"not a digest: {text[:200]!r}", hint="a digest looks like sha256:<64 hex characters>")
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            known = ", ".join(_HEX_LENGTH)
            raise InvalidDigest(f"unknown digest algorithm: {algorithm[:40]!r}", hint=f"known algorithms: {known}")
        if len(encoded) != length or not _HEX.fullmatch(encoded):
            raise InvalidDigest(
                f"not a {algorithm} digest: {text[:200]!r}",
                hint=f"{algorithm} takes {length} lower-case hex characters",
            )
        return cls(algorithm, encoded)

    @classmethod
    def from_path(cls, path: "PurePath") -> Self:
        """Return the digest that a layout path `…/<algorithm>/<hex>` names, or raise InvalidDigest."""
        return cls.parse(f"{path.parent.name}:{path.name}")

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """Return the digest of data."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def hasher(self) -> "_Hash":
        """Return a fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def matches(self, data: bytes) -> bool:
        """Tell whether data is the blob this digest names."""
        return hashlib.new(self.algorithm, data).hexdigest() == self.hex

    @property
    def short(self) -> str:
        """The first 12 hex characters, as docker shows a layer."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
