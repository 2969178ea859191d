"""Sending images and files from this process to the daemon, all of them or none."""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Literal

from p2player.control.client import ControlClient
from p2player.control.importclient import ImportClient
from p2player.control.messages import Naming
from p2player.control.threads import in_daemon_thread
from p2player.errors import BadInput, InvalidDigest, InvalidReference
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference, is_tag
from p2player.oci.source import FileSource, Source, SourceBlob, SourceImage
from p2player.runtime.sources import open_source
from p2player.store.rows import StoredBlob

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SeedProgress:
    """How far a blob of a source is. Its digest and its size in bytes may not be known before it has been read."""

    source: str
    number: int
    digest: Digest | None
    size: int | None
    done: int
    state: Literal["sending", "sent", "present"]


@dataclass(frozen=True, slots=True)
class SeededImage:
    """An image that is in the cluster now."""

    name: Reference
    digest: Digest


@dataclass(frozen=True, slots=True)
class SeededFile:
    """A file that is in the cluster now, as a blob without a name."""

    path: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Seeded:
    """What one call of `seed` brought in."""

    images: tuple[SeededImage, ...]
    files: tuple[SeededFile, ...]


async def seed(
    daemon: ControlClient,
    specs: Sequence[str],
    name: Reference | None,
    report: Callable[[SeedProgress], None],
    others: Sequence[Reference] = (),
) -> Seeded:
    """Return what came in of the sources that specs name, under name or the names the images have already.

    An image that is given a name may be given others with it.

    Raises BadInput, what is wrong with a source, or what the daemon says; nothing of any source is then kept.
    """
    if name is not None and (name.tag is None or name.digest is not None):
        raise BadInput(f"{name} cannot be a new name", hint="name an image as REPOSITORY:TAG")
    images: list[SourceImage] = []
    files: list[SeededFile] = []
    async with daemon.begin_import() as importing:
        for spec in specs:
            async with _opened(spec) as source:
                if name is not None and isinstance(source, FileSource):
                    raise BadInput(f"{spec} is a plain file, which is known by its digest only", hint="leave out --as")
                stored = await _send(importing, source, report)
                images += source.images()
                if isinstance(source, FileSource):
                    files += [SeededFile(source.label, blob.digest) for blob in stored]
        namings = _namings(images, name)
        namings += [Naming(other, namings[0].descriptor) for other in others]
        await importing.commit(namings)
    return Seeded(
        tuple(SeededImage(naming.reference, naming.descriptor.digest) for naming in namings),
        tuple(files),
    )


@asynccontextmanager
async def _opened(spec: str) -> AsyncIterator[Source]:
    source = await in_daemon_thread(lambda: open_source(spec))
    try:
        yield source
    finally:
        # Not waited for: it would wait in turn for a read that is stuck.
        threading.Thread(target=source.__exit__, daemon=True).start()


async def _send(importing: ImportClient, source: Source, report: Callable[[SeedProgress], None]) -> list[StoredBlob]:
    """Return the blobs of source that the daemon did not have."""
    stored: list[StoredBlob] = []
    blobs = source.blobs()
    for number in count(1):
        blob = await in_daemon_thread(lambda: next(blobs, None))
        if blob is None:
            return stored
        progress = SeedProgress(source.label, number, blob.digest, blob.size, 0, "sending")
        new = await importing.add(blob.digest, blob.size, _content(blob, progress, report))
        if new is None:
            report(replace(progress, done=blob.size or 0, state="present"))
        else:
            report(replace(progress, digest=new.digest, size=new.size, done=new.size, state="sent"))
            stored.append(new)
    return stored


async def _content(
    blob: SourceBlob, progress: SeedProgress, report: Callable[[SeedProgress], None]
) -> AsyncGenerator[bytes, None]:
    done = 0
    while chunk := await in_daemon_thread(lambda: blob.stream.read(_CHUNK)):
        report(replace(progress, done=done))
        yield chunk
        done += len(chunk)


def _namings(images: Sequence[SourceImage], name: Reference | None) -> list[Naming]:
    """Return under which tags the images come in, or raise BadInput."""
    if name is None:
        return [Naming(_own_name(image), image.descriptor) for image in images]
    digests = {image.descriptor.digest for image in images}
    if len(digests) != 1:
        raise BadInput(f"--as names one image, but there are {len(digests)}", hint="seed them one by one")
    return [Naming(name, images[0].descriptor)]


def _own_name(image: SourceImage) -> Reference:
    # By convention a layout may give the tag alone; taken for a repository it would be a name that nobody meant.
    if image.name is not None and not is_tag(image.name):
        try:
            return Reference.parse(image.name)
        except (InvalidReference, InvalidDigest):
            pass
    raise BadInput(
        f"the image {image.descriptor.digest} has no name that could be pulled: {image.name!r}",
        hint="name it with --as REPOSITORY:TAG",
    )
