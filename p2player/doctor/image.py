"""A tiny image that nobody can have yet, made in memory: one layer with one file of random bytes."""

import io
import json
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

from p2player.control.client import ControlClient
from p2player.control.messages import Naming
from p2player.errors import ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_LAYER
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference, Repository
from p2player.oci.tarwriter import TarWriter
from p2player.runtime.setup.containers import PROBE

_RANDOM: Final = 64 * 1024
NAME: Final = f"{PROBE}/doctor"
HUB_NAME: Final = "docker.io/library/p2player-doctor"
"""Its repository for a runtime that asks a mirror about Docker Hub only."""


@dataclass(frozen=True, slots=True)
class TinyImage:
    """The image: a tag of its own, and its blobs, the manifest last."""

    tag: str
    manifest: Document
    blobs: tuple[bytes, ...]

    @classmethod
    def make(cls) -> Self:
        """Return a new one, for this machine's platform."""
        file = io.BytesIO()
        tar = TarWriter(file)
        tar.add("p2player-doctor", os.urandom(_RANDOM))
        tar.finish()
        layer = file.getvalue()
        host = Platform.host()
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(layer))]}
        config = json.dumps({"architecture": host.architecture, "os": host.os, "config": {}, "rootfs": rootfs}).encode()
        manifest = Document.of_image(
            Descriptor(OCI_CONFIG, Digest.of(config), len(config)),
            (Descriptor(OCI_LAYER, Digest.of(layer), len(layer)),),
        )
        return cls(secrets.token_hex(8), manifest, (layer, config, manifest.raw))

    @property
    def size(self) -> int:
        """Bytes that a runtime has to fetch at least."""
        return len(self.blobs[0])


@asynccontextmanager
async def seeded(daemon: ControlClient, image: TinyImage) -> AsyncIterator[None]:
    """Have the image in the daemon, and out of it again at the end, whatever comes between."""
    reference = Reference(Repository.parse(NAME), image.tag)
    try:
        async with daemon.begin_import() as importing:
            for blob in image.blobs:
                await importing.add(Digest.of(blob), len(blob), _once(blob))
            await importing.commit([Naming(reference, image.manifest.descriptor)])
        yield
    finally:
        with suppress(ReferenceNotFound):  # it never came in
            await daemon.remove(str(reference))


async def _once(blob: bytes) -> AsyncGenerator[bytes, None]:
    yield blob
