"""What a node says, and signs, of where its swarm listens just now.

Nobody signs the blocks of a swarm, and the address in a node's record may be somebody else's by the time that something
comes from there. So before that is held against the node it is asked whether it is there. Its answer is about now, since
it contains what the asker has drawn for it, and about one place: who has taken the address and passes the question on to
the node, wherever that is by now, gets a statement about another.
"""

import ipaddress
import re
import secrets
import struct
from collections.abc import Callable
from typing import Final

from p2player.peer.identity import Identity, NodeId, verify_signature

_NONCE_BYTES: Final = 16
_NONCE: Final = re.compile(f"[0-9a-f]{{{2 * _NONCE_BYTES}}}")
_CONTEXT: Final = b"p2player address v1\0"
_PORT: Final = struct.Struct(">H")
_IP_BYTES: Final = (4, 16)
_KEY: Final = 32
_SEAL: Final = _KEY + 64
MAX_SEALED_ADDRESS: Final = _PORT.size + max(_IP_BYTES) + _SEAL


def new_nonce() -> bytes:
    """Return 16 bytes that nobody can foresee."""
    return secrets.token_bytes(_NONCE_BYTES)


def parse_nonce(text: str) -> bytes:
    """Return what 32 hex digits in lower case spell. Raises ValueError."""
    if not _NONCE.fullmatch(text):
        raise ValueError(f"not a nonce: {text[:80]!r}")
    return bytes.fromhex(text)


class Whereabouts:
    """The answer of one node. `announced` tells the host and swarm port that its records name at the moment."""

    def __init__(self, identity: Identity, announced: Callable[[], tuple[str, int]]) -> None:
        self._identity = identity
        self._announced = announced

    def sealed(self, nonce: bytes, reached_at: str) -> bytes | None:
        """Return the sealed address of the swarm, or None if the question came in at another host than the announced one.

        Others tell a node at which host they see it, and can lie; where a question comes in is nothing they could make up.
        """
        host, port = self._announced()
        return seal_address(self._identity, nonce, host, port) if host == reached_at else None


def seal_address(identity: Identity, nonce: bytes, host: str, port: int) -> bytes:
    """Return a node's signed statement that its swarm listens at host, an IP literal, and port."""
    address = _PORT.pack(port) + ipaddress.ip_address(host).packed
    return address + identity.public_key + identity.sign(_CONTEXT + nonce + address)


def open_address(signer: NodeId, nonce: bytes, sealed: bytes) -> tuple[str, int]:
    """Return the host and port in what `seal_address` wrote.

    Raises ValueError if signer has not signed it, or not for this nonce.
    """
    address, key, signature = sealed[:-_SEAL], sealed[-_SEAL : _KEY - _SEAL], sealed[_KEY - _SEAL :]
    if NodeId.of(key) != signer or not verify_signature(key, _CONTEXT + nonce + address, signature):
        raise ValueError(f"no address that is signed by {signer}")
    ip = address[_PORT.size :]
    if len(ip) not in _IP_BYTES:
        raise ValueError(f"no address has {len(address)} bytes")
    return str(ipaddress.ip_address(ip)), _PORT.unpack_from(address)[0]
