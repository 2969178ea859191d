"""Changes that keep an input's form, so that they reach what stands behind the first parser: JSON, msgpack, tar headers."""

import json
import tarfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from p2player.dht.packing import pack, unpack

Shape = Callable[[bytes, Random], bytes]
"""Returns a changed input of the same form, or the same bytes if they have not got that form."""

_SCALARS = (
    None,
    True,
    False,
    0,
    -1,
    1 << 31,
    1 << 53,
    (1 << 63) - 1,
    1 << 63,
    "",
    "a" * 300,
    "sha256:",
    "\0",
    "é",
    "/..",
)
_JSON_ONLY = (1.5, 1e300, 10**30, [], {}, [[]], {"": None})
_MSGPACK_ONLY = (b"", bytes(20), bytes(32), b"\xff" * 64, [], [b""], 1.5)
_MAGIC = slice(257, 262)
_CHECKSUM = slice(148, 156)
_FIELDS = ((0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
"""Where in a header name, mode, owner, size, time, kind, target, magic and prefix stand, and how long each is."""


@dataclass(frozen=True)
class Tree:
    """Values inside values, as JSON and msgpack have them."""

    loads: Callable[[bytes], Any]
    dumps: Callable[[Any], bytes]
    telling: tuple[Any, ...]

    def __call__(self, data: bytes, rng: Random) -> bytes:
        """Return data with one to three of its values replaced, removed, repeated, or swapped for another of them."""
        try:
            holder = [self.loads(data)]
            for _ in range(rng.randint(1, 3)):
                self._change(holder, rng)
            return self.dumps(holder[0])
        except (ValueError, RecursionError, OverflowError, IndexError, TypeError):
            return data

    def _change(self, holder: list[Any], rng: Random) -> None:
        places = list(_places(holder))
        container, key = rng.choice(places)
        other, other_key = rng.choice(places)
        match rng.randrange(4):
            case 0:
                container[key] = deepcopy(rng.choice(self.telling))
            case 1 if container is not holder:
                del container[key]
            case 2 if isinstance(container, list) and container is not holder:
                container.insert(key, deepcopy(container[key]))
            case _:
                container[key] = deepcopy(other[other_key])


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    """Yield container and key (or index) of every value."""
    for key in list(container) if isinstance(container, dict) else range(len(container)):
        yield container, key
        if isinstance(container[key], dict | list):
            yield from _places(container[key])


def tar_headers(data: bytes, rng: Random) -> bytes:
    """Return a tar with a few fields of its headers changed, and the checksums right again."""
    changed = bytearray(data)
    headers = [at for at in range(0, len(data), tarfile.BLOCKSIZE) if data[at:][_MAGIC] == b"ustar"]
    for _ in range(rng.randint(1, 3)):
        if headers:
            at, (field, length) = rng.choice(headers), rng.choice(_FIELDS)
            text = rng.choice(
                (b"\0" * length, b"7" * length, b"../", b"/", b"-1", b"\x80" + b"\xff" * 7, rng.randbytes(3))
            )
            changed[at + field : at + field + min(len(text), length)] = text[:length]
    for at in headers:
        header = changed[at : at + tarfile.BLOCKSIZE]
        header[_CHECKSUM] = b" " * 8
        changed[at + _CHECKSUM.start : at + _CHECKSUM.stop] = b"%06o\0 " % sum(header)
    return bytes(changed)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


JSON = Tree(json.loads, _json_bytes, _SCALARS + _JSON_ONLY)
MSGPACK = Tree(unpack, pack, _SCALARS + _MSGPACK_ONLY)
