"""The hash tree by which BitTorrent v2 names a file and checks its pieces (BEP 52).

The leaves are SHA-256 hashes of 16 KiB blocks, the last block hashed at its own length. Leaves missing to the next power
of two are 32 zero bytes, so the root depends on the bytes alone and not on the piece length. The piece length only says
which layer of the tree travels with a torrent: the one whose nodes each cover one piece.
"""

from dataclasses import dataclass
from hashlib import sha256

BLOCK = 16 * 1024
HASH_BYTES = 32
MIN_PIECE = 64 * 1024
MAX_PIECE = 4 * 1024 * 1024
_PIECES = 256
_PAIR = 2 * HASH_BYTES


def piece_length(size: int) -> int:
    """Return the piece length, in bytes, of a blob of size bytes.

    It is part of the info dictionary, so every node must come to the same one: the smallest power of two that makes at
    most 256 pieces, kept between 64 KiB and 4 MiB.
    """
    wanted = -(-size // _PIECES)
    return min(max(1 << (wanted - 1).bit_length(), MIN_PIECE), MAX_PIECE)


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """What is kept of a blob's tree: enough to name its torrent and to check its pieces."""

    root: bytes
    """32 bytes; none for an empty blob, which has no tree."""
    piece_layer: bytes
    """One 32-byte hash a piece; none for a blob of a single piece, whose hash is the root."""
    size: int


class MerkleHasher:
    """Makes the tree of a blob whose bytes pass by once. Holds 2 KiB for each MiB seen."""

    def __init__(self) -> None:
        self._leaves = bytearray()
        self._block = sha256()
        self._room = BLOCK

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the blob."""
        rest = memoryview(data)
        while rest:
            part = rest[: self._room]
            self._block.update(part)
            self._room -= len(part)
            if not self._room:
                self._close_block()
            rest = rest[len(part) :]

    def finish(self) -> MerkleTree:
        """Return the tree of all bytes taken. Nothing can be added afterwards."""
        size = len(self._leaves) // HASH_BYTES * BLOCK + BLOCK - self._room
        if self._room < BLOCK:
            self._close_block()
        return tree_of_leaves(bytes(self._leaves), size)

    def _close_block(self) -> None:
        self._leaves += self._block.digest()
        self._block = sha256()
        self._room = BLOCK


def tree_of_leaves(leaves: bytes, size: int) -> MerkleTree:
    """Return the tree of a blob of size bytes whose blocks have these hashes, 32 bytes each, in order."""
    layer, piece_layer = leaves, b""
    covered, piece = BLOCK, piece_length(size)
    # The root of a tree of zero leaves, as high as `layer` is: what stands in it beyond the end of the blob.
    padding = bytes(HASH_BYTES)
    while len(layer) > HASH_BYTES:
        if covered == piece:
            piece_layer = layer
        layer, padding = _halve(layer, padding)
        covered *= 2
    return MerkleTree(layer, piece_layer, size)


def root_of_pieces(piece_layer: bytes, length: int) -> bytes:
    """Return the root above a layer of several hashes, each of a piece of length bytes."""
    layer, padding = piece_layer, root_of_piece(b"", length)
    while len(layer) > HASH_BYTES:
        layer, padding = _halve(layer, padding)
    return layer


def root_of_piece(data: bytes, length: int) -> bytes:
    """Return the hash by which a piece stands in its blob's piece layer; the last piece may be shorter than length bytes."""
    layer = b"".join(sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK))
    padding = bytes(HASH_BYTES)
    for _ in range((length // BLOCK).bit_length() - 1):
        layer, padding = _halve(layer, padding)
    return layer or padding


def _halve(layer: bytes, padding: bytes) -> tuple[bytes, bytes]:
    """Return the layer above one, and what stands in it beyond its end."""
    if len(layer) % _PAIR:
        layer += padding
    above = b"".join(sha256(layer[at : at + _PAIR]).digest() for at in range(0, len(layer), _PAIR))
    return above, sha256(padding + padding).digest()
