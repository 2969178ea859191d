"""The images of a container engine, offered to the cluster under the names they have there."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Literal

from p2player.control.client import ControlClient
from p2player.control.seeding import SeedProgress, seed
from p2player.errors import NotFound, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document, Manifest
from p2player.oci.reference import Reference
from p2player.runtime.images import Engine, Images
from p2player.tasks import Tasks

_LOOK_ANYWAY: Final = 60.0
"""Seconds after which an engine is looked at though it told of no event."""
_RETRY: Final = 2.0


@dataclass(frozen=True, slots=True)
class Offered:
    """What was done about a name. `absent` and `back` are about the engine itself, which has no name."""

    engine: str
    name: str
    state: Literal["seeded", "present", "withdrawn", "failed", "absent", "back"]
    digest: Digest | None = None
    error: P2PlayerError | None = None


class Offering:
    """The images of one engine. What one call offered a later call withdraws when it is gone."""

    def __init__(
        self,
        daemon: ControlClient,
        engine: Engine,
        *,
        told: Callable[[Offered], None],
        progress: Callable[[SeedProgress], None],
    ) -> None:
        self._daemon = daemon
        self._engine = engine
        self._told = told
        self._progress = progress
        self._offered: dict[Reference, tuple[str, Digest]] = {}
        self._failed: set[tuple[Reference, str]] = set()
        self._changed = asyncio.Event()
        self._tasks = Tasks(f"images of {engine.name}")

    async def offer(self) -> None:
        """Make the cluster have what the engine has now, and no longer what it had.

        Raises Unavailable errors if the engine, or our own daemon, does not answer; what else goes wrong concerns an
        image, and is told.
        """
        while True:
            self._changed.clear()
            images = await self._engine.images()
            await self._withdraw(self._offered.keys() - images.keys())
            for names in self._by_image(images):
                await self._seed(names, images)
                if self._changed.is_set():
                    break  # something may have gone meanwhile, and that is not to wait for the other images
            else:
                return

    async def follow(self) -> None:
        """Offer what the engine has, for ever. An engine that goes away is waited for."""
        try:
            self._tasks.spawn(self._listen(), "listen")
            absent = False
            while True:
                try:
                    await self.offer()
                    if absent:
                        self._tell("", "back")
                    absent = False
                except P2PlayerError as error:
                    await self._daemon.status()  # or is it our own that is gone?
                    if not absent:
                        self._tell("", "absent", error=error)
                    absent = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY if absent else _LOOK_ANYWAY):
                        await self._changed.wait()
        finally:
            await self._tasks.close()

    async def _listen(self) -> None:
        while True:
            with suppress(P2PlayerError):
                async with aclosing(self._engine.changes()) as changes:
                    async for _ in changes:
                        self._changed.set()
            await asyncio.sleep(_RETRY)

    def _by_image(self, images: Images) -> Iterable[list[Reference]]:
        """Return the names that are still to be offered, those of one image together."""
        groups: dict[str, list[Reference]] = {}
        for reference, (image, _) in sorted(images.items(), key=lambda item: str(item[0])):
            known = self._offered.get(reference)
            if (known is None or known[0] != image) and (reference, image) not in self._failed:
                groups.setdefault(image, []).append(reference)
        return groups.values()

    async def _seed(self, names: list[Reference], images: Images) -> None:
        image, source = images[names[0]]
        try:
            missing = [name for name in names if not await self._is_offered(name, image)]
            if missing:
                first, *others = missing
                seeded = await seed(self._daemon, [source], first, self._progress, others)
                for one in seeded.images:
                    self._offered[one.name] = image, one.digest
                    self._tell(str(one.name), "seeded", digest=one.digest)
        except P2PlayerError as error:
            await self._daemon.status()  # without it, nothing can be offered at all
            for name in names:
                self._failed.add((name, image))
                self._tell(str(name), "failed", error=error)

    async def _is_offered(self, name: Reference, image: str) -> bool:
        """Tell whether our daemon has an engine's image under a name: then it need not be read."""
        for held in await self._daemon.images():
            if held.name == str(name) and held.complete and image in await self._ids(held.digest):
                self._offered[name] = image, held.digest
                self._tell(str(name), "present", digest=held.digest)
                return True
        return False

    async def _ids(self, digest: Digest) -> set[str]:
        """Return what an engine may call the image of a manifest: by the manifest's digest, or by its config's."""
        raw = b"".join([chunk async for chunk in self._daemon.read(digest)])
        content = Document.parse(raw, digest=digest).content
        return {str(digest), *([str(content.config.digest)] if isinstance(content, Manifest) else [])}

    async def _withdraw(self, names: Iterable[Reference]) -> None:
        for name in sorted(names, key=str):
            _, digest = self._offered.pop(name)
            held = {image.name: image.digest for image in await self._daemon.images()}
            if held.get(str(name)) != digest:
                continue  # somebody has given the name another meaning here, or removed it
            with suppress(NotFound):
                await self._daemon.remove(str(name))
            self._tell(str(name), "withdrawn", digest=digest)

    def _tell(
        self,
        name: str,
        state: Literal["seeded", "present", "withdrawn", "failed", "absent", "back"],
        *,
        digest: Digest | None = None,
        error: P2PlayerError | None = None,
    ) -> None:
        self._told(Offered(self._engine.name, name, state, digest, error))
