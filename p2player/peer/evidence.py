"""What a holder of a blob can say to show that its hash tree belongs to the digest, and the signature under it.

A digest is the last state of a chain: SHA-256 comes to one state before each piece (see store/states.py). A holder tells
all of them, and each piece's own hash in the tree. Whoever has the blob can then give any piece such that it has that
hash, and leads from the state before it to the state behind it. Who tells anything else fails at some piece, and where
two differ it is known at which.

Each answer is signed by the node that gives it, and so is a small blob that it sends: only so can it be held against that
node, whoever sits at its address.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final, Self

from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId, verify_signature
from p2player.store.merkle import HASH_BYTES, MAX_PIECE, piece_length, root_of_piece, root_of_pieces
from p2player.store.states import START, STATE_BYTES, lead_on

MAX_EVIDENCE: Final = 1 << 20
"""Bytes of evidence at most, which is enough for a blob of 64 GiB."""
_KEY: Final = 32
_SEAL: Final = _KEY + 64
MAX_SEALED_EVIDENCE: Final = MAX_EVIDENCE + _SEAL
MAX_SEALED_PIECE: Final = MAX_PIECE + _SEAL
_HEAD: Final = struct.Struct(f">Q{HASH_BYTES}s")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one holder says of a blob of several pieces: for each the state before it and its hash, 32 bytes either."""

    digest: Digest
    size: int
    root: bytes
    states: bytes
    layer: bytes

    @classmethod
    def parse(cls, digest: Digest, data: bytes) -> Self:
        """Return the evidence that `pack` wrote, or raise ValueError."""
        if not _HEAD.size < len(data) <= MAX_EVIDENCE:
            raise ValueError(f"no evidence has {len(data)} bytes")
        size, root = _HEAD.unpack_from(data)
        count = -(-size // piece_length(size))
        states, layer = data[_HEAD.size :][: count * STATE_BYTES], data[_HEAD.size + count * STATE_BYTES :]
        if len(states) != count * STATE_BYTES or len(layer) != count * HASH_BYTES or count < 2:
            raise ValueError(f"{count} pieces do not have {len(data)} bytes of evidence")
        return cls(digest, size, root, states, layer)

    def pack(self) -> bytes:
        """Return size (8 bytes, the most significant first), root, all states, all hashes."""
        return _HEAD.pack(self.size, self.root) + self.states + self.layer

    @property
    def count(self) -> int:
        """How many pieces the blob has."""
        return len(self.layer) // HASH_BYTES

    @property
    def is_sound(self) -> bool:
        """Whether it begins as every SHA-256 does, and its hashes are those of a tree with its root."""
        return self.states.startswith(START) and root_of_pieces(self.layer, piece_length(self.size)) == self.root

    def places_of_dispute(self, other: "Evidence") -> tuple[int, int]:
        """Return which piece of this, and which of another that differs, cannot both be shown: the last that are unlike.

        What follows on them is the same state for both: the next that both tell, or the digest.
        """
        if self.size != other.size:
            return self.count - 1, other.count - 1
        index = next(i for i in reversed(range(self.count)) if self.entry(i) != other.entry(i))
        return index, index

    def shows(self, index: int, data: bytes) -> bool:
        """Tell whether data is the piece at index: of its hash, and leading from the state before it to the one behind."""
        length = piece_length(self.size)
        start = index * length
        state, hash_ = self.entry(index)
        if len(data) != min(length, self.size - start) or root_of_piece(data, length) != hash_:
            return False
        is_end = index == self.count - 1
        behind = bytes.fromhex(self.digest.hex) if is_end else self.entry(index + 1)[0]
        return lead_on(state, start, data, is_end=is_end) == behind

    def entry(self, index: int) -> tuple[bytes, bytes]:
        """Return the state before a piece, and the hash of the piece."""
        at = index * HASH_BYTES
        return self.states[at : at + STATE_BYTES], self.layer[at : at + HASH_BYTES]


def can_be_shown(size: int) -> bool:
    """Tell whether there can be evidence for a blob of size bytes: it has several pieces, and not too many."""
    count = -(-size // piece_length(size))
    return count > 1 and _HEAD.size + count * (STATE_BYTES + HASH_BYTES) <= MAX_EVIDENCE


def seal_evidence(identity: Identity, evidence: Evidence) -> bytes:
    """Return evidence signed by a node."""
    return _seal(identity, "evidence", evidence.digest, evidence.pack())


def open_evidence(signer: NodeId, digest: Digest, data: bytes) -> Evidence:
    """Return the evidence about digest in what `seal_evidence` wrote. Raises ValueError if it is not that of signer."""
    return Evidence.parse(digest, _open(signer, "evidence", digest, data))


def seal_piece(identity: Identity, digest: Digest, index: int, data: bytes) -> bytes:
    """Return a piece of a blob signed by a node."""
    return _seal(identity, f"piece {index}", digest, data)


def open_piece(signer: NodeId, digest: Digest, index: int, data: bytes) -> bytes:
    """Return the piece in what `seal_piece` wrote. Raises ValueError if it is not that of signer."""
    return _open(signer, f"piece {index}", digest, data)


def vouch(identity: Identity, digest: Digest, data: bytes) -> str:
    """Return a node's signature, in hexadecimal, to that it sends data as the blob of this digest."""
    return _seal(identity, "blob", digest, data)[-_SEAL:].hex()


def voucher(digest: Digest, data: bytes, text: str) -> NodeId | None:
    """Return who has signed, by what `vouch` returned, to send data as the blob of this digest, or None if nobody has."""
    try:
        seal = bytes.fromhex(text)
        if len(seal) != _SEAL:  # a longer one could pass off the front of what somebody has signed as the whole
            return None
        signer = NodeId.of(seal[:_KEY])
        _open(signer, "blob", digest, data + seal)
    except ValueError:
        return None
    return signer


def _seal(identity: Identity, what: str, digest: Digest, data: bytes) -> bytes:
    return data + identity.public_key + identity.sign(_message(what, digest, data))


def _open(signer: NodeId, what: str, digest: Digest, sealed: bytes) -> bytes:
    data, key, signature = sealed[:-_SEAL], sealed[-_SEAL : _KEY - _SEAL], sealed[_KEY - _SEAL :]
    if NodeId.of(key) != signer or not verify_signature(key, _message(what, digest, data), signature):
        raise ValueError(f"{what} of {digest} is not signed by {signer}")
    return data


def _message(what: str, digest: Digest, data: bytes) -> bytes:
    return f"p2player {what} v1\0{digest}\0".encode() + hashlib.sha256(data).digest()
