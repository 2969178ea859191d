"""Asking a running Docker daemon for small things (Docker Engine API): what it is, to pull, to remove."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from p2player.errors import DaemonUnreachable, Unavailable
from p2player.runtime.dockerd import configured_socket

_QUICK: Final = aiohttp.ClientTimeout(total=10)
_FOR_EVER: Final = aiohttp.ClientTimeout(total=None, sock_connect=10)
_SNAPSHOTTER: Final = "io.containerd.snapshotter.v1"


class DockerEngine:
    """The Docker daemon of this machine ($DOCKER_HOST, else Docker's own place). Raises DaemonUnreachable."""

    async def version(self) -> str:
        """Return the daemon's version."""
        async with self._ask("GET", "/version", timeout=_QUICK) as response:
            return str((await response.json())["Version"])

    async def info(self) -> dict[str, Any]:
        """Return what the daemon says of itself."""
        async with self._ask("GET", "/info", timeout=_QUICK) as response:
            info: dict[str, Any] = await response.json()
            return info

    async def images(self) -> list[dict[str, Any]]:
        """Return what the daemon says of its images (`GET /images/json`)."""
        async with self._ask("GET", "/images/json", timeout=_QUICK) as response:
            images: list[dict[str, Any]] = await response.json()
            return images

    @asynccontextmanager
    async def image_events(self) -> AsyncIterator[aiohttp.StreamReader]:
        """Open the daemon's events of images: one in a line, from now on (`GET /events`)."""
        filters = json.dumps({"type": ["image"]})
        async with self._ask("GET", "/events", params={"filters": filters}, timeout=_FOR_EVER) as response:
            yield response.content

    async def pull(self, name: str, target: str) -> None:
        """Pull an image by its name and a tag or digest. Raises Unavailable with what the daemon says."""
        async with self._ask("POST", "/images/create", params={"fromImage": name, "tag": target}) as response:
            async for line in response.content:
                event = json.loads(line)
                if "error" in event:
                    raise Unavailable(str(event["error"]))

    async def remove(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        async with self._ask("DELETE", f"/images/{quote(reference)}", missing_ok=True):
            pass

    @asynccontextmanager
    async def _ask(
        self, method: str, target: str, *, missing_ok: bool = False, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        path = configured_socket()
        connector = aiohttp.UnixConnector(str(path))
        try:
            async with (
                aiohttp.ClientSession("http://docker", connector=connector) as session,
                session.request(method, target, **options) as response,
            ):
                if not response.ok and not (missing_ok and response.status == 404):
                    raise Unavailable(f"the Docker daemon answered {response.status}: {await _reason(response)}")
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DaemonUnreachable(
                f"no Docker daemon answers at {path}: {error}",
                hint="start it, or set DOCKER_HOST to its unix:// address",
            ) from error


async def keeps_images_in_containerd() -> bool:
    """Tell whether a Docker daemon runs here and keeps its images in containerd's store."""
    try:
        info = await DockerEngine().info()
    except Unavailable:
        return False
    return ["driver-type", _SNAPSHOTTER] in (info.get("DriverStatus") or [])


async def _reason(response: aiohttp.ClientResponse) -> str:
    try:
        return str((await response.json())["message"])
    except (ValueError, LookupError, TypeError, aiohttp.ClientError):
        return response.reason or ""
