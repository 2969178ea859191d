"""The states of SHA-256: what its hash of a blob has come to before each piece (FIPS 180-4, section 6.2).

SHA-256 works through a blob in blocks of 64 bytes, and all that it keeps between two blocks is 32 bytes. Whoever is told
these for a place in a blob can hash on from there, so a single piece can be checked against the digest of the whole blob
if the states before and behind it are known.

Python's own hash functions do not show their state. libcrypto, which does their work, does: through SHA256_Update and the
context that belongs to it (sha.h), at the same speed. It is tried out once before it is used; where there is none, or one
that is something else, there are no states, and nobody's word on them can be judged.
"""

import ctypes
import ctypes.util
import hashlib
import importlib.util
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

STATE_BYTES: Final = 32
START: Final = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
"""The state before the first byte of any message (FIPS 180-4, section 5.3.3)."""
ALGORITHM: Final = "sha256"
"""The only algorithm of which states are known here."""

_BLOCK: Final = 64
_WORDS: Final = struct.Struct(">8I")
_TRIALS: Final = (0, 1, 55, 56, 63, 64, 65, 128, 1000)


class _Context(ctypes.Structure):
    """SHA256_CTX of libcrypto's sha.h."""

    _fields_ = (
        ("h", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("block", ctypes.c_uint32 * 16),
        ("in_block", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )


class _Hash:
    """A SHA-256 that begins at a state, with `done` bytes behind it: a multiple of 64."""

    def __init__(self, library: Any, state: bytes = START, done: int = 0) -> None:
        self._library = library
        self._context = _Context()
        library.SHA256_Init(ctypes.byref(self._context))
        self._context.h[:] = _WORDS.unpack(state)
        bits = done * 8
        self._context.bits_low, self._context.bits_high = bits & 0xFFFFFFFF, bits >> 32

    def update(self, data: bytes) -> None:
        """Take the next bytes; other threads run meanwhile."""
        self._library.SHA256_Update(ctypes.byref(self._context), data, len(data))

    @property
    def state(self) -> bytes:
        """What it has come to, right only behind a whole number of blocks."""
        return _WORDS.pack(*self._context.h)

    def digest(self) -> bytes:
        """Return the hash of the whole message. Nothing can be added afterwards."""
        out = ctypes.create_string_buffer(STATE_BYTES)
        self._library.SHA256_Final(out, ctypes.byref(self._context))
        return out.raw


def usable() -> bool:
    """Tell whether states can be had on this machine."""
    return _library() is not None


def lead_on(state: bytes, done: int, data: bytes, *, is_end: bool) -> bytes:
    """Return what SHA-256 comes to from a state, with done bytes behind it, over data: the next state, or the digest at the end.

    All but the end is a whole number of 64-byte blocks. Only where states are `usable`.
    """
    hasher = _Hash(_required(), state, done)
    hasher.update(data)
    return hasher.digest() if is_end else hasher.state


def states_of_file(path: Path, length: int) -> tuple[bytes, bytes]:
    """Return the states before each `length` bytes of a file (a multiple of 64), one behind the other, and its SHA-256.

    Only where states are `usable`. Raises OSError.
    """
    hasher = _Hash(_required())
    states = bytearray()
    for piece in _pieces(path, length):
        states += hasher.state
        hasher.update(piece)
    return bytes(states), hasher.digest()


def _pieces(path: Path, length: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(length):
            yield piece


@cache
def _library() -> Any:
    """Return a libcrypto that was tried out, or None."""
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
            library.SHA256_Init.argtypes = [ctypes.POINTER(_Context)]
            library.SHA256_Update.argtypes = [ctypes.POINTER(_Context), ctypes.c_char_p, ctypes.c_size_t]
            library.SHA256_Final.argtypes = [ctypes.c_char_p, ctypes.POINTER(_Context)]
        except (OSError, AttributeError):
            continue
        if _is_right(library):
            return library
    return None


def _candidates() -> Iterator[str]:
    # The one that Python itself is linked to is found through the module that is; the search below runs programs.
    spec = importlib.util.find_spec("_hashlib")
    if spec is not None and spec.origin:
        yield spec.origin
    if name := ctypes.util.find_library("crypto"):
        yield name


def _is_right(library: Any) -> bool:
    """Tell whether library hashes as hashlib does, in one go and going on from a state of its own."""
    for size in _TRIALS:
        message = bytes(at % 251 for at in range(size))
        front, behind = message[: size // _BLOCK * _BLOCK], message[size // _BLOCK * _BLOCK :]
        first = _Hash(library)
        first.update(front)
        second = _Hash(library, first.state, len(front))
        second.update(behind)
        if second.digest() != hashlib.sha256(message).digest():
            return False
    return True


def _required() -> Any:
    if (library := _library()) is None:
        raise RuntimeError("SHA-256 shows no states here: ask `usable` first")
    return library
