"""A client that looks at the clock, the same for p2player and for the plain server."""

import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final

from netsim.emulate.processes import ProgramError

_BUFFER: Final = 1 << 20
_TIMEOUT: Final = 60  # seconds without a byte


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
    connection = HTTPConnection(address, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise ProgramError(f"GET {path}: {response.status} {response.read().decode(errors='replace')}")
        announced = int(response.headers["Content-Length"])
        size = response.readinto(buffer[:1])
        first_byte = time.perf_counter() - began
        while count := response.readinto(buffer):
            size += count
        whole = time.perf_counter() - began
    except (OSError, HTTPException) as error:
        raise ProgramError(f"GET {path}: {error!r}") from error
    finally:
        connection.close()
    if size != announced:
        raise ProgramError(f"GET {path}: broke off after {size} of {announced} bytes")
    return Timing(first_byte, whole, size)
