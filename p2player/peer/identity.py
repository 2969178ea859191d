"""Who a node is: an Ed25519 key kept in its data directory. Its node id and its signatures come from it."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from p2player.errors import StoreDamaged
from p2player.store.durable import sync_directory

NODE_ID_BYTES = 20
_KEY_BYTES = 32
_IDS_KEPT = 1 << 14
"""Of the ids last asked for: records and datagrams name the same keys again and again."""
_KEYS_KEPT = 1 << 10
"""Of the keys last verified with: one signs all segments of a blob."""


class NodeId(NamedTuple):
    """The 160-bit place of a node in the DHT: the start of SHA-256 over its public key, so it cannot be chosen.

    A tuple, as what a node knows of others is kept by it, and looked up tens of thousands of times for a blob in a crowd.
    """

    raw: bytes

    @classmethod
    @lru_cache(maxsize=_IDS_KEPT)
    def of(cls, public_key: bytes) -> Self:
        """Return the id that belongs to a 32-byte Ed25519 public key."""
        return cls(hashlib.sha256(public_key).digest()[:NODE_ID_BYTES])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that 40 hex characters spell, or raise ValueError."""
        raw = bytes.fromhex(text)
        if len(raw) != NODE_ID_BYTES:
            raise ValueError(f"not a node id: {text[:80]!r}")
        return cls(raw)

    @property
    def short(self) -> str:
        """The first 8 hex characters, for people."""
        return self.raw.hex()[:8]

    def __str__(self) -> str:
        return self.raw.hex()


class Identity:
    """A node's private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key: bytes = key.public_key().public_bytes_raw()
        self.node_id = NodeId.of(self.public_key)

    @classmethod
    def generate(cls) -> Self:
        """Return a new identity."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the identity of a 32-byte seed; the same seed gives the same identity."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Return the identity kept in path, made on first use (mode 0600). Raises StoreDamaged if path is no key."""
        try:
            seed = path.read_bytes()
        except FileNotFoundError:
            return cls._create(path)
        if len(seed) != _KEY_BYTES:
            raise StoreDamaged(f"{path} is not a node key", hint="move the file away; a new identity is then made")
        return cls.from_seed(seed)

    @classmethod
    def _create(cls, path: Path) -> Self:
        key = Ed25519PrivateKey.generate()
        staging = path.with_suffix(".new")
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
        sync_directory(path.parent)
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of message."""
        return self._key.sign(message)


class SimulatedIdentity(Identity):
    """One whose signatures cost next to nothing and prove nothing: for thousands of nodes in one process.

    No real node takes them: only `verify_simulated` does, and that only where it is put in the place of `verify_signature`.
    """

    def __init__(self, public_key: bytes) -> None:  # it has no private key
        self.public_key = public_key
        self.node_id = NodeId.of(public_key)

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes that anybody can make of the public key and message."""
        return _simulated(self.public_key, message)


def verify_simulated(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether signature is what the simulated identity of public_key makes of message."""
    return signature == _simulated(public_key, message)


def _simulated(public_key: bytes, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=public_key).digest()


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether signature is that of message by the holder of public_key. Malformed keys sign nothing."""
    try:
        _key(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=_KEYS_KEPT)
def _key(public_key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public_key)
