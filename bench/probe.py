"""A client that looks at the clock, the same for p2player and for the plain server."""

import time
from dataclasses import dataclass
from typing import Final

from netsim.emulate.asking import content_of
from netsim.emulate.processes import ProgramError

_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Timing:
    """When a body came, in seconds after the client began to connect."""

    first_byte: float
    whole: float
    size: int


def get(address: str, path: str) -> Timing:
    """Return when the body of an answer came. Its bytes are thrown away. Raises ProgramError if it is not a whole one."""
    buffer = memoryview(bytearray(_BUFFER))
    began = time.perf_counter()
    with content_of(address, path, {}) as response:
        announced = int(response.headers["Content-Length"])
        size = response.readinto(buffer[:1])
        first_byte = time.perf_counter() - began
        while count := response.readinto(buffer):
            size += count
        whole = time.perf_counter() - began
    if size != announced:
        raise ProgramError(f"GET {path}: broke off after {size} of {announced} bytes")
    return Timing(first_byte, whole, size)
