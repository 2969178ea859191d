"""Reading the OCI image layout, as a directory and as a tar of one (OCI image spec, image-layout.md)."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from p2player.errors import InvalidArchive, InvalidManifest, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document, Index
from p2player.oci.mediatypes import DOCUMENTS, OCI_INDEX
from p2player.oci.source import Inventory, SourceBlob, SourceImage, open_input
from p2player.oci.tarstream import TarFile, read_tar

INDEX = "index.json"
LAYOUT = "oci-layout"
BLOBS = "blobs"
REF_NAME = "org.opencontainers.image.ref.name"
# The whole name, where containerd and docker keep only the tag in REF_NAME.
_CONTAINERD_NAME = "io.containerd.image.name"


class LayoutSource:
    """An image layout directory: one image by its name there, or all. Blobs that no image needs are left out."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.label = str(path)
        self._path = path
        with open_input(path / INDEX) as file:
            self._wanted = read_index(file.read(MAX_DOCUMENT + 1), self.label, name)
        self._images: tuple[SourceImage, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def blobs(self) -> Iterator[SourceBlob]:
        """Yield the blobs from each manifest downwards."""
        inventory = Inventory()
        queue = deque(image.descriptor for image in self._wanted)
        seen = set()
        while queue:
            digest = queue.popleft().digest
            path = self._path / blob_name(digest)
            if digest in seen or not path.is_file():
                continue
            seen.add(digest)
            with open_input(path) as file:
                yield from inventory.passing(file, path.stat().st_size, digest)
            if (document := inventory.document(digest)) is not None:
                queue.extend(document.children)
        for image in self._wanted:
            inventory.require(image.descriptor)
        self._images = self._wanted

    def images(self) -> tuple[SourceImage, ...]:
        """Return the images asked for."""
        return self._images


class LayoutArchiveSource:
    """A tar of an image layout, with all its images."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._file = open_input(path)
        self._images: tuple[SourceImage, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def blobs(self) -> Iterator[SourceBlob]:
        """Yield the blobs in their order in the archive."""
        inventory = Inventory()
        index = None
        for entry in read_tar(self._file):
            if not isinstance(entry, TarFile):
                continue
            if entry.name == INDEX:
                index = read_small(entry)
            elif (digest := blob_digest(entry.name)) is not None:
                yield from inventory.passing(entry.content, entry.size, digest)
        if index is None:
            raise InvalidArchive(f"{self.label} has no {INDEX}", hint="a docker archive is named docker-archive:FILE")
        images = read_index(index, self.label)
        for image in images:
            inventory.require(image.descriptor)
        self._images = images

    def images(self) -> tuple[SourceImage, ...]:
        """Return the images of the archive."""
        return self._images


def read_index(raw: bytes, label: str, name: str | None = None) -> tuple[SourceImage, ...]:
    """Return the images that an index.json lists, all or those called name. label is for messages.

    Raises InvalidArchive if it is malformed, lists none, or gives one name to several; ReferenceNotFound.
    """
    try:
        index = Document.parse(raw, media_type=OCI_INDEX).content
    except InvalidManifest as error:
        raise InvalidArchive(f"{label}: {INDEX}: {error.message}", hint=error.hint) from error
    entries = [entry for entry in index.manifests if entry.media_type in DOCUMENTS] if isinstance(index, Index) else []
    if not entries:
        raise InvalidArchive(f"{label} holds no image")
    if name is None:
        return tuple(SourceImage(_name(entry), _bare(entry)) for entry in entries)
    named = [entry for entry in entries if name in {entry.annotation(REF_NAME), _name(entry)}]
    if not named:
        offered = ", ".join(filter(None, map(_name, entries)))
        raise ReferenceNotFound(f"{label} holds no image called {name}", hint=f"it holds: {offered}" if offered else "")
    if len({entry.digest for entry in named}) > 1:
        raise InvalidArchive(f"{label} holds several images called {name}")
    return (SourceImage(_name(named[0]), _bare(named[0])),)


def read_small(entry: TarFile) -> bytes:
    """Return the content of an archive's own file, or raise InvalidArchive if it is too large for one."""
    if entry.size > MAX_DOCUMENT:
        raise InvalidArchive(f"{entry.name} has {entry.size} bytes", hint=f"the limit is {MAX_DOCUMENT} bytes")
    return entry.content.read()


def split_name(text: str) -> tuple[Path, str | None]:
    """Return the directory and the image name of `DIR[:NAME]`, split as skopeo does, at the first colon."""
    path, _, name = text.partition(":")
    return Path(path), name or None


def blob_name(digest: Digest) -> str:
    """Return where a layout keeps a blob."""
    return f"{BLOBS}/{digest.algorithm}/{digest.hex}"


def blob_digest(name: str) -> Digest | None:
    """Return the digest of the blob that a layout keeps under name, or None if it keeps no blob there.

    Raises InvalidDigest for a file among the blobs that is named like none.
    """
    path = PurePosixPath(name)
    if len(path.parts) != 3 or path.parts[0] != BLOBS:
        return None
    return Digest.from_path(path)


def _name(entry: Descriptor) -> str | None:
    return entry.annotation(_CONTAINERD_NAME) or entry.annotation(REF_NAME)


def _bare(entry: Descriptor) -> Descriptor:
    """Return entry without its annotations: they name it in this layout only."""
    return Descriptor(entry.media_type, entry.digest, entry.size, entry.platform, entry.artifact_type)
