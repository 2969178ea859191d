"""One pass over an image that somebody has on disk or in a pipe.

A source gives its blobs in whatever order they come, each hashed while it is read. What the images among them are is
known at the end, because an archive may keep that for last. A blob whose content is not what its name says, or an
image of which a part never came, fails the pass; a half-read source has given nothing that can be trusted.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from p2player.errors import BadInput, DigestMismatch, InvalidArchive
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document, Index, sniff
from p2player.oci.mediatypes import DOCUMENTS
from p2player.oci.tarstream import CHUNK, ByteStream


@dataclass(frozen=True, slots=True)
class SourceBlob:
    """A blob of a source: its digest and size in bytes as far as they are known before it is read."""

    digest: Digest | None
    size: int | None
    stream: ByteStream


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image of a source, under the name it has there, if any."""

    name: str | None
    descriptor: Descriptor


class Source(Protocol):
    """An image layout, archive or file, open for one pass."""

    label: str

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    def blobs(self) -> Iterator[SourceBlob]:
        """Yield every blob. What is left unread of one when the next is asked for is read and checked then."""
        ...

    def images(self) -> tuple[SourceImage, ...]:
        """Return the images, all of whose parts have passed; empty until blobs() is exhausted."""
        ...


class HashedStream:
    """A stream that knows at its end what its digest was. The read that meets the end raises DigestMismatch."""

    def __init__(
        self, source: ByteStream, expected: Digest | None = None, *, observer: Callable[[bytes], object] | None = None
    ) -> None:
        self._source = source
        self._expected = expected
        self._observer = observer
        self._hasher = expected.hasher() if expected else hashlib.sha256()
        self._text: bytearray | None = bytearray()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return up to size bytes, all that are left if it is negative."""
        data = self._source.read(size)
        self.size += len(data)
        self._hasher.update(data)
        if self._observer is not None:
            self._observer(data)
        self._keep_if_json(data)
        if not data and size and self._expected and self.digest != self._expected:
            raise DigestMismatch(f"blob {self._expected} has other content: {self.digest}")
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> Digest:
        """The digest of what was read so far."""
        algorithm = self._expected.algorithm if self._expected else "sha256"
        return Digest(algorithm, self._hasher.hexdigest())

    @property
    def text(self) -> bytes | None:
        """What was read so far, if it is small and may be JSON: a manifest or a config. None for any other blob."""
        return bytes(self._text) if self._text is not None else None

    def _keep_if_json(self, data: bytes) -> None:
        if self._text is None:
            return
        self._text += data
        head = self._text[:64].lstrip(b" \t\r\n")
        if self.size > MAX_DOCUMENT or (head and not head.startswith(b"{")):
            self._text = None


class Inventory:
    """The blobs that have passed, and whether they make up whole images."""

    def __init__(self) -> None:
        self._sizes: dict[Digest, int] = {}
        self._documents: dict[Digest, Document] = {}

    def passing(
        self,
        source: ByteStream,
        size: int,
        expected: Digest | None = None,
        *,
        observer: Callable[[bytes], object] | None = None,
    ) -> Generator[SourceBlob, None, HashedStream]:
        """Yield a blob to whoever reads it, read what they left, note it, and return its stream."""
        stream = HashedStream(source, expected, observer=observer)
        yield SourceBlob(expected, size, stream)
        stream.drain()
        self._sizes[stream.digest] = stream.size
        if stream.text and (document := sniff(stream.text)):
            self._documents[stream.digest] = document
        return stream

    def document(self, digest: Digest) -> Document | None:
        """Return the manifest or index under digest, or None if what passed is neither."""
        return self._documents.get(digest)

    def require(self, root: Descriptor) -> None:
        """Raise InvalidArchive unless the manifest or index that root names, and all it needs, has passed.

        An index may be sparse: it needs one of its images, not all.
        """
        wanted = [root]
        checked = set()
        while wanted:
            descriptor = wanted.pop()
            self._require_blob(descriptor)
            if descriptor.media_type not in DOCUMENTS or descriptor.digest in checked:
                continue
            checked.add(descriptor.digest)
            document = self._documents.get(descriptor.digest)
            if document is None:
                raise InvalidArchive(f"neither manifest nor index, but named as one: {descriptor.digest}")
            wanted.extend(self._needs(document))

    def _needs(self, document: Document) -> Iterable[Descriptor]:
        if not isinstance(document.content, Index):
            return document.children
        present = [child for child in document.children if child.digest in self._sizes]
        if document.children and not present:
            raise InvalidArchive(f"none of the images of index {document.digest} is there")
        return present

    def _require_blob(self, descriptor: Descriptor) -> None:
        size = self._sizes.get(descriptor.digest)
        if size is None:
            raise InvalidArchive(f"blob {descriptor.digest} is missing", hint="the archive may be cut off")
        if size != descriptor.size:
            raise InvalidArchive(f"blob {descriptor.digest} has {size} bytes, its descriptor says {descriptor.size}")


class FileSource:
    """A plain file: one blob, no image."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._file = open_input(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def blobs(self) -> Iterator[SourceBlob]:
        """Yield the file."""
        status = os.fstat(self._file.fileno())
        yield SourceBlob(None, status.st_size if stat.S_ISREG(status.st_mode) else None, self._file)

    def images(self) -> tuple[SourceImage, ...]:
        """Return nothing."""
        return ()


def open_input(path: Path) -> BinaryIO:
    """Return path open for reading, or raise BadInput with the reason."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
