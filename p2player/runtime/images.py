"""The images that container engines of this machine have, by their names, and when that changes.

Whoever follows an engine hears that something has changed, looks at all it has now, and compares: events tell when to look,
never what is there, so one that is missed or misread does no harm.
"""

import os
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, Protocol

from p2player.errors import BadInput, DaemonUnreachable, InvalidDigest, InvalidReference
from p2player.oci.jsonobject import parse_json
from p2player.oci.reference import Reference
from p2player.runtime.containerd import namespaces
from p2player.runtime.dockerd import configured_socket
from p2player.runtime.engine import DockerEngine
from p2player.runtime.programs import lines_of, output_of

_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

Images = Mapping[Reference, tuple[str, str]]
"""What an engine has: for every tag the image's id there, and the source (see sources.py) that reads it."""


class Engine(Protocol):
    """One of them. Every method that asks it raises DaemonUnreachable if it does not answer."""

    name: str

    def is_here(self) -> bool:
        """Tell whether there seems to be one on this machine."""

    async def images(self) -> Images:
        """Return all images that have a tag."""

    def changes(self) -> AsyncGenerator[None, None]:
        """Yield once when it listens, and then whenever images may have come, gone or been renamed."""


class Docker:
    """dockerd."""

    name = "docker"

    def is_here(self) -> bool:
        """Tell whether its socket is there."""
        return configured_socket().exists()

    async def images(self) -> Images:
        """Return all images that have a tag."""
        found = {}
        for image in await DockerEngine().images():
            for reference in _references(image.get("RepoTags")):
                found[reference] = (str(image["Id"]), f"docker-daemon:{reference}")
        return found

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield when it listens, and at every event of an image."""
        async with DockerEngine().image_events() as events:
            yield
            async for _ in events:
                yield
        raise DaemonUnreachable("the Docker daemon ended its events", hint="is it being restarted?")


class Podman:
    """podman, which has no daemon, so its own command is asked (podman-images, podman-events)."""

    name = "podman"

    def is_here(self) -> bool:
        """Tell whether it is installed."""
        return shutil.which("podman") is not None

    async def images(self) -> Images:
        """Return all images that have a tag."""
        answer: Any = parse_json((await output_of("podman", "images", "--format", "json")).encode(), "answer", BadInput)
        found = {}
        for image in answer or ():
            for reference in _references(image.get("Names")):
                found[reference] = (f"sha256:{image['Id']}", f"podman:{reference}")
        return found

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield at every event of an image, the last few seconds before it began to listen included."""
        yield
        filters = ("--filter", "type=image", "--since", "10s", "--format", "{{.Status}}")
        async with aclosing(lines_of("podman", "events", *filters)) as events:
            async for _ in events:
                yield
        raise DaemonUnreachable("podman ended its events", hint="see what `podman events` says")


class Containerd:
    """containerd, in all its namespaces, by `ctr`."""

    name = "containerd"

    def is_here(self) -> bool:
        """Tell whether its socket is there, and the command."""
        socket = os.environ.get("CONTAINERD_ADDRESS", _CONTAINERD_SOCKET).removeprefix("unix://")
        return Path(socket).exists() and shutil.which("ctr") is not None

    async def images(self) -> Images:
        """Return all images that have a tag; of a name in several namespaces, the last one counts."""
        found = {}
        for namespace in await namespaces():
            for line in (await output_of("ctr", "--namespace", namespace, "images", "list")).splitlines()[1:]:
                name, _, digest, *_ = [*line.split(), "", "", ""]
                # Kubernetes has every image a second time, by its id alone, which would pass for a tag.
                for reference in _references([name] if "/" in name else []):
                    found[reference] = (digest, f"containerd@{namespace}:{name}")
        return found

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield at every event of an image."""
        yield
        async with aclosing(lines_of("ctr", "events")) as events:
            async for line in events:
                if "/images/" in line:
                    yield
        raise DaemonUnreachable("containerd ended its events", hint="is it being restarted?")


ENGINES: Final[Mapping[str, Engine]] = {engine.name: engine for engine in (Docker(), Podman(), Containerd())}


def _references(names: object) -> list[Reference]:
    """Return the tags among an image's names; engines also list digests, and `<none>`."""
    found = []
    for name in names if isinstance(names, list) else []:
        with suppress(InvalidReference, InvalidDigest):
            reference = Reference.parse(str(name))
            if reference.digest is None and reference.tag and str(name).endswith(f":{reference.tag}"):
                found.append(reference)
    return found
