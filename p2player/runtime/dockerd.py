"""Reading an image out of a running Docker daemon (Docker Engine API, `GET /images/{name}/get`)."""

import http.client
import os
import socket
from pathlib import Path
from urllib.parse import quote

from p2player.errors import BadInput, DaemonUnreachable, ReferenceNotFound
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.jsonobject import JsonObject
from p2player.oci.reference import Reference

DEFAULT_SOCKET = Path("/var/run/docker.sock")
_UNIX = "unix://"
_MAX_ERROR = 64 * 1024
_TIMEOUT = 300.0  # seconds; dockerd packs the whole image before it answers


def open_daemon_image(reference: str, *, socket_path: Path | None = None) -> DockerArchiveSource:
    """Return the image that the daemon at socket_path ($DOCKER_HOST, else Docker's own place) has under reference.

    Raises DaemonUnreachable, InvalidReference, or ReferenceNotFound if the daemon has no such image.
    """
    name = str(Reference.parse(reference))
    path = socket_path or configured_socket()
    connection = _UnixConnection(path)
    try:
        connection.request("GET", f"/images/{quote(name)}/get")
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise DaemonUnreachable(
            f"no Docker daemon answers at {path}: {error}", hint="start it, or set DOCKER_HOST to its unix:// address"
        ) from error
    if response.status != http.client.OK:
        reason = _reason(response)
        connection.close()
        if response.status == http.client.NOT_FOUND:
            raise ReferenceNotFound(f"the Docker daemon has no image {name}", hint="`docker images` lists what it has")
        raise DaemonUnreachable(f"the Docker daemon answered {response.status}: {reason}")
    return DockerArchiveSource(f"docker-daemon:{name}", _Body(connection, response))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Body:
    """The bytes of an answer; a daemon that dies while it sends them is unreachable, not a damaged archive."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._response.read(size if size >= 0 else None)
        except (OSError, http.client.HTTPException) as error:
            raise DaemonUnreachable(f"the Docker daemon broke off while sending: {error}") from error

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def _reason(response: http.client.HTTPResponse) -> str:
    try:
        message = JsonObject.parse(response.read(_MAX_ERROR), "answer", BadInput).text("message")
    except (BadInput, OSError, http.client.HTTPException):
        return response.reason
    return " ".join(message.split())


def configured_socket() -> Path:
    """Return where the Docker daemon of this machine listens. Raises DaemonUnreachable if DOCKER_HOST is elsewhere."""
    host = os.environ.get("DOCKER_HOST", "")
    if not host:
        return DEFAULT_SOCKET
    if not host.startswith(_UNIX):
        raise DaemonUnreachable(
            f"DOCKER_HOST is {host[:200]}, not a local socket",
            hint="use `docker save` there and seed docker-archive:FILE here",
        )
    return Path(host.removeprefix(_UNIX))
