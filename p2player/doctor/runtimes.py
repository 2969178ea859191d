"""The container runtimes of this machine, each made to pull as its users do, by its own configuration."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from p2player.doctor.image import HUB_NAME, NAME, TinyImage
from p2player.errors import Unavailable
from p2player.runtime.engine import DockerEngine, keeps_images_in_containerd
from p2player.runtime.programs import output_of
from p2player.runtime.setup.containerd import hosts_directory
from p2player.runtime.setup.tree import DiskTree

_NAMESPACE: Final = "p2player-doctor"
_SERVER_VERSION = re.compile(r"Server:\s+Version:\s*(\S+)")
_CRIO_SOCKET: Final = Path("/var/run/crio/crio.sock")
_PULL_SECONDS: Final = 60.0


class Runtime(Protocol):
    """A runtime that may be on this machine. Everything but `find` raises Unavailable."""

    async def find(self) -> str | None:
        """Return its version if it is here and answers, or None."""
        ...

    async def pull(self, image: TinyImage) -> None:
        """Pull the image under a name that the mirror configuration sends to the node."""
        ...

    async def remove(self, image: TinyImage) -> None:
        """Remove what pull brought in, if it did."""
        ...


class Docker:
    """dockerd, by its API."""

    def __init__(self, _: DiskTree) -> None:
        self._engine = DockerEngine()

    async def find(self) -> str | None:
        """Return the daemon's version."""
        try:
            return await self._engine.version()
        except Unavailable:
            return None

    async def pull(self, image: TinyImage) -> None:
        """Pull by tag if every registry is mirrored, else by digest, which nobody has to ask Docker Hub about."""
        await self._engine.pull(*await self._name(image))

    async def remove(self, image: TinyImage) -> None:
        """Remove the image by the name it was pulled by."""
        name, target = await self._name(image)
        await self._engine.remove(f"{name}@{target}" if ":" in target else f"{name}:{target}")

    async def _name(self, image: TinyImage) -> tuple[str, str]:
        every = await keeps_images_in_containerd() and int((await self._engine.version()).partition(".")[0]) >= 28
        return (NAME, image.tag) if every else (HUB_NAME, str(image.manifest.digest))


class Containerd:
    """containerd, by `ctr` ($CONTAINERD_ADDRESS, else its own place), in a namespace of its own."""

    def __init__(self, tree: DiskTree) -> None:
        self._tree = tree

    async def find(self) -> str | None:
        """Return the daemon's version."""
        try:
            match = _SERVER_VERSION.search(await output_of("ctr", "version"))
        except Unavailable:
            return None
        return match[1] if match else None

    async def pull(self, image: TinyImage) -> None:
        """Fetch the image's content, unpacking nothing."""
        hosts = str(self._tree.place(hosts_directory(self._tree)))
        fetch = ("ctr", "--namespace", _NAMESPACE, "content", "fetch", "--hosts-dir", hosts, f"{NAME}:{image.tag}")
        await output_of(*fetch, patience=_PULL_SECONDS)

    async def remove(self, image: TinyImage) -> None:
        """Remove the image, its content, and the namespace."""
        try:
            await output_of("ctr", "--namespace", _NAMESPACE, "images", "rm", "--sync", f"{NAME}:{image.tag}")
        finally:
            await output_of("ctr", "namespaces", "rm", _NAMESPACE)


class Podman:
    """podman, by its command."""

    def __init__(self, _: DiskTree) -> None:
        self._found = shutil.which("podman") is not None

    async def find(self) -> str | None:
        """Return its version."""
        try:
            return (await output_of("podman", "--version")).split()[-1] if self._found else None
        except Unavailable:
            return None

    async def pull(self, image: TinyImage) -> None:
        """Pull the image."""
        await output_of("podman", "pull", "--quiet", f"{NAME}:{image.tag}", patience=_PULL_SECONDS)

    async def remove(self, image: TinyImage) -> None:
        """Remove the image."""
        await output_of("podman", "rmi", "--force", f"{NAME}:{image.tag}", patience=_PULL_SECONDS)


class Crio:
    """CRI-O, by `crictl`."""

    def __init__(self, _: DiskTree) -> None:
        self._crictl = ("crictl", "--runtime-endpoint", f"unix://{_CRIO_SOCKET}")

    async def find(self) -> str | None:
        """Return the version that it says through CRI."""
        if not _CRIO_SOCKET.exists():
            return None
        try:
            told = await output_of(*self._crictl, "version")
        except Unavailable:
            return None
        return told.partition("RuntimeVersion:")[2].split(maxsplit=1)[0] if "RuntimeVersion:" in told else None

    async def pull(self, image: TinyImage) -> None:
        """Pull the image."""
        await output_of(*self._crictl, "pull", f"{NAME}:{image.tag}", patience=_PULL_SECONDS)

    async def remove(self, image: TinyImage) -> None:
        """Remove the image."""
        await output_of(*self._crictl, "rmi", f"{NAME}:{image.tag}")


KINDS: Final[Mapping[str, type[Docker | Containerd | Podman | Crio]]] = {
    "docker": Docker,
    "containerd": Containerd,
    "podman": Podman,
    "crio": Crio,
}
