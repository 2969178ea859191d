"""Where a fetched image or blob is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from p2player.errors import BadInput
from p2player.oci.blobwriter import BlobWriter, StagedFile, disk_errors
from p2player.oci.docker_destination import DockerArchiveDestination
from p2player.oci.layout import split_name
from p2player.oci.layout_destination import LayoutArchiveDestination, LayoutDestination
from p2player.oci.manifest import Descriptor, Document


class Destination(Protocol):
    """A place that is as it was until `commit`. One blob is written at a time."""

    @property
    def holds_images(self) -> bool:
        """Whether `begin` comes first and an image is written, or no `begin` and a single bare blob."""
        ...

    def begin(self, name: str | None, root: Document, documents: Sequence[Document]) -> None:
        """Start the image that root is, of which documents are the manifests and indexes there are, under name.

        Raises BadInput if an image like this has no place here.
        """
        ...

    def wants(self, descriptor: Descriptor) -> bool:
        """Tell whether this blob has yet to be written."""
        ...

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Return the context in which this blob is written."""
        ...

    def commit(self) -> None:
        """Put everything that was written in place. Raises DiskFull, StorageError."""
        ...

    def discard(self) -> None:
        """Leave nothing behind that is not committed."""
        ...


class FileDestination:
    """A plain file, for one bare blob."""

    holds_images = False

    def __init__(self, path: Path) -> None:
        self._staged = StagedFile(path)
        self._written = False

    def begin(self, name: str | None, root: Document, documents: Sequence[Document]) -> None:
        """Raise BadInput."""
        raise BadInput("a plain file has no place for an image", hint="write it to docker-archive:FILE or oci:DIR")

    def wants(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob has yet to be written."""
        return not self._written

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Return the context in which the blob is written."""
        return BlobWriter(descriptor, self)

    def write(self, data: bytes, /) -> None:
        """Take the next bytes of the blob."""
        self._staged.write(data)

    def keep(self) -> None:
        """Note that the blob is whole."""
        self._written = True

    def drop(self) -> None:
        """Take back what was written of the blob."""
        self._staged.file.seek(0)
        self._staged.file.truncate()

    def commit(self) -> None:
        """Put the file in place."""
        with disk_errors():
            self._staged.keep()

    def discard(self) -> None:
        """Remove the file unless it is in place."""
        self._staged.drop()


def open_destination(spec: str) -> Destination:
    """Return the place that spec names: `oci:DIR[:NAME]`, `oci-archive:FILE`, `docker-archive:FILE`, or a plain file.

    Raises BadInput if nothing can be written there.
    """
    kind, _, rest = spec.partition(":")
    match kind:
        case "oci":
            path, name = split_name(rest)
            return LayoutDestination(path, name)
        case "oci-archive":
            return LayoutArchiveDestination(Path(rest))
        case "docker-archive":
            return DockerArchiveDestination(Path(rest))
        case _:
            return FileDestination(Path(spec))
