"""The byte form of everything the DHT sends and keeps: msgpack, through its C codec."""

from typing import Any

import msgpack  # type: ignore[import-untyped]  # (the package carries no type information)


def pack(value: Any) -> bytes:
    """Return the msgpack bytes of value."""
    return bytes(msgpack.packb(value))


def unpack(data: bytes) -> Any:
    """Return the one value data holds; raises ValueError where it is anything else."""
    return msgpack.unpackb(data)
