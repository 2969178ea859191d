"""Who vouches for the bytes that travel in a chain: segments, each signed by the node that had it from the registry.

A blob that is still coming in has no hash to check its parts against. So whoever takes it from the registry signs each
segment; the nodes behind check and pass on the signed ones as they are. A segment is told by its place: its offset, its length
and whether it is the last follow from where the stream began and from the blob's size, and are signed, not sent.

The last one is signed and passed on only by nodes at which the whole digest has matched. `run` stands for one fetch of its
signer: who signs a last segment says that all it signs in the same run belongs to that digest.
"""

import hashlib
import secrets
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId, verify_signature

_LEAST: Final = 16 * 1024
_MOST: Final = 128 * 1024
_COUNT: Final = 512
"""How many segments a blob has at least, unless they would be smaller than _LEAST. The first byte is over a chain of so many nodes
when all of the blob is sent (decision 15)."""
RUN_BYTES: Final = 16
_MAGIC: Final = b"P2S\x01"
_HEADER: Final = struct.Struct(f"!4s{RUN_BYTES}s32s32s64s")
HEADER_BYTES: Final = _HEADER.size
_CONTEXT: Final = b"p2player segment v1\0"
_PLACE: Final = struct.Struct("!QQ")


def new_run() -> bytes:
    """Return what stands for one more fetch."""
    return secrets.token_bytes(RUN_BYTES)


@lru_cache
def segment_bytes(size: int) -> int:
    """Return how many bytes a segment has, but for the last one, in a blob of size bytes: a power of two."""
    return min(max(1 << max((size // _COUNT).bit_length() - 1, 0), _LEAST), _MOST)


def start_of(offset: int, size: int) -> int:
    """Return where the segment begins that the byte at offset belongs to, in a blob of size bytes."""
    return offset // segment_bytes(size) * segment_bytes(size)


def end_of(offset: int, size: int) -> int:
    """Return where the segment ends that begins at offset, in a blob of size bytes."""
    return min(offset + segment_bytes(size), size)


def length_on_wire(size: int, start: int) -> int:
    """Return how many bytes a blob of size bytes takes from the segment at start on, headers included."""
    return size - start + -(-(size - start) // segment_bytes(size)) * HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Segment:
    """A statement of its signer: "these bytes of the blob have this SHA-256". It is worth nothing before it is checked."""

    offset: int
    run: bytes
    sha256: bytes
    signer: bytes
    """The 32-byte Ed25519 public key of the node that had the bytes from the registry."""
    signature: bytes

    @classmethod
    def sign(cls, identity: Identity, run: bytes, digest: Digest, size: int, offset: int, data: bytes) -> Self:
        """Return the statement that data stands at offset in a blob of size bytes."""
        sha256 = hashlib.sha256(data).digest()
        message = _message(digest, size, offset, run, sha256)
        return cls(offset, run, sha256, identity.public_key, identity.sign(message))

    @classmethod
    def unpack(cls, header: bytes | memoryview, offset: int) -> Self:
        """Return the segment at offset that a header of HEADER_BYTES tells of, unchecked. Raises ValueError."""
        magic, *fields = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise ValueError("what came is no segment")
        return cls(offset, *fields)

    def pack(self) -> bytes:
        """Return the header that goes before its bytes."""
        return _HEADER.pack(_MAGIC, self.run, self.sha256, self.signer, self.signature)

    @property
    def node(self) -> NodeId:
        """Who signed it."""
        return NodeId.of(self.signer)

    def is_of(self, data: bytes) -> bool:
        """Tell whether it speaks of these bytes."""
        return hashlib.sha256(data).digest() == self.sha256

    def is_signed(self, digest: Digest, size: int) -> bool:
        """Tell whether its signer has signed it, for this place in this blob."""
        return verify_signature(self.signer, _message(digest, size, self.offset, self.run, self.sha256), self.signature)


class SegmentReader:
    """Takes a stream of headers and bytes apart. It holds less than a segment."""

    def __init__(self, size: int, start: int) -> None:
        """Begin with the segment at start, in a blob of size bytes."""
        self._size = size
        self._at = start
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[tuple[Segment, bytes]]:
        """Return the segments, unchecked, that data completes. Raises ValueError if what comes is none, or too much."""
        self._parts.append(data)
        self._held += len(data)
        if self._held < self._length():
            return []
        found = []
        # Put together once for each segment: they are most of what a node has to copy.
        rest = memoryview(b"".join(self._parts))
        while self._at < self._size and len(rest) >= (length := self._length()):
            segment = Segment.unpack(rest[:HEADER_BYTES], self._at)
            found.append((segment, bytes(rest[HEADER_BYTES:length])))
            self._at = end_of(self._at, self._size)
            rest = rest[length:]
        if self._at >= self._size and rest:
            raise ValueError(f"more than the {self._size} bytes of the blob came")
        self._parts, self._held = [bytes(rest)], len(rest)
        return found

    def _length(self) -> int:
        """Return the bytes of the next segment as it travels, or 1 behind the last one, where any byte is too much."""
        return HEADER_BYTES + end_of(self._at, self._size) - self._at if self._at < self._size else 1


def _message(digest: Digest, size: int, offset: int, run: bytes, sha256: bytes) -> bytes:
    return _CONTEXT + str(digest).encode() + b"\0" + _PLACE.pack(size, offset) + run + sha256
