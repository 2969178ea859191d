"""Asking a node: its registry endpoint, as any client may, and its control socket."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Final

from netsim.emulate.processes import ProgramError
from p2player.control.client import ControlClient
from p2player.control.messages import Status
from p2player.errors import DaemonUnreachable

_SILENCE: Final = 60  # seconds without a byte
_OK: Final = 200


@contextmanager
def answer_of(address: str, path: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
    """Yield what HOST:PORT answers to a GET of path, whatever its status. Raises OSError, HTTPException."""
    connection = HTTPConnection(address, timeout=_SILENCE)
    try:
        connection.request("GET", path, headers=dict(headers))
        # A response that was not read to its end keeps the socket open until it is closed itself.
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


@contextmanager
def content_of(address: str, path: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
    """Yield the same where it is what was asked for. Raises ProgramError if it is not, or if reading it fails."""
    try:
        with answer_of(address, path, headers) as response:
            if response.status != _OK:
                raise ProgramError(f"GET {path}: {response.status} {response.read().decode(errors='replace')}")
            yield response
    except (OSError, HTTPException) as error:
        raise ProgramError(f"GET {path}: {error!r}") from error


async def status_of(data_dir: Path) -> Status | None:
    """Return what the node of a data directory says of itself, None while it does not answer."""
    try:
        async with ControlClient(data_dir) as client:
            return await client.status()
    except DaemonUnreachable:
        return None
