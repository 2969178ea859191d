"""Writing the OCI image layout, as a directory and as a tar of one."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2player.errors import BadInput, InvalidArchive
from p2player.oci.blobwriter import BlobWriter, StagedFile, disk_errors, write_file
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import parse_json
from p2player.oci.layout import INDEX, LAYOUT, REF_NAME, blob_name
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_INDEX
from p2player.oci.tarwriter import TarWriter

_LAYOUT_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


class LayoutDestination:
    """An image layout directory, new or with other images in it, which stay.

    A Docker manifest stays one, so that its digest stays. skopeo then finds the image only while it is alone there.
    """

    holds_images = True

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._path = path
        self._name = name
        self._root: Document | None = None
        self._placed: list[Path] = []
        self._is_new = not path.exists()
        try:
            path.mkdir(exist_ok=True)
            if any(path.iterdir()):
                self._entries()
            self._staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=path))
        except OSError as error:
            raise BadInput(f"cannot write to {path}: {error.strerror}") from error

    def begin(self, name: str | None, root: Document, documents: Sequence[Document]) -> None:
        """Write the documents; the name in the destination's own spec goes before the image's."""
        self._name = self._name or name
        self._root = root
        for document in _each_once(root, documents):
            if self.wants(document.descriptor):
                with self.writer(document.descriptor) as writer:
                    writer.write(document.raw)

    def wants(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is neither written nor in the layout from before."""
        if self._staged(descriptor.digest).exists():
            return False
        path = self._path / blob_name(descriptor.digest)
        return not (path.is_file() and path.stat().st_size == descriptor.size)

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Return the context in which this blob is written."""
        return BlobWriter(descriptor, StagedFile(self._staged(descriptor.digest)))

    def commit(self) -> None:
        """Put the blobs in place, and the index that names the image last."""
        if self._root is None:
            raise RuntimeError("commit without begin")
        with disk_errors():
            for staged in list(self._staging.iterdir()):
                placed = self._path / blob_name(Digest.parse(staged.name))
                placed.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(placed)
                self._placed.append(placed)
            if not (self._path / LAYOUT).exists():
                write_file(self._path / LAYOUT, _LAYOUT_VERSION)
                self._placed.append(self._path / LAYOUT)
            write_file(self._path / INDEX, _index(self._with_others(_entry(self._root, self._name))))
            self._placed.clear()
            self._is_new = False
            self._staging.rmdir()

    def discard(self) -> None:
        """Remove what is not committed."""
        if self._is_new:
            shutil.rmtree(self._path, ignore_errors=True)
        shutil.rmtree(self._staging, ignore_errors=True)
        for placed in self._placed:
            placed.unlink(missing_ok=True)

    def _staged(self, digest: Digest) -> Path:
        return self._staging / str(digest)

    def _with_others(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """Return entry behind the index's entries for other images: other names, or unnamed with another digest."""
        others = self._entries() if (self._path / INDEX).exists() else []
        return [*(other for other in others if not _same_image(other, entry)), entry]

    def _entries(self) -> list[dict[str, Any]]:
        """Return the entries of the index as they stand there, with members that are unknown here."""
        try:
            raw = (self._path / INDEX).read_bytes()
        except FileNotFoundError:
            raise BadInput(f"{self._path} is no image layout, and not empty", hint="name a new directory") from None
        index = parse_json(raw, str(self._path / INDEX), InvalidArchive)
        entries = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InvalidArchive(f"{self._path / INDEX} is no image index", hint="name a new directory")
        return entries


class LayoutArchiveDestination:
    """A tar of an image layout with one image."""

    holds_images = True

    def __init__(self, path: Path) -> None:
        self._staged = StagedFile(path)
        self._tar = TarWriter(self._staged.file)
        self._entry: dict[str, Any] = {}

    def begin(self, name: str | None, root: Document, documents: Sequence[Document]) -> None:
        """Write the documents."""
        self._entry = _entry(root, name)
        with disk_errors():
            self._tar.add(LAYOUT, _LAYOUT_VERSION)
            for document in _each_once(root, documents):
                self._tar.add(blob_name(document.digest), document.raw)

    def wants(self, descriptor: Descriptor) -> bool:
        """Tell whether this blob has yet to be written."""
        return blob_name(descriptor.digest) not in self._tar.names

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Return the context in which this blob is written."""
        self._tar.begin(blob_name(descriptor.digest))
        return BlobWriter(descriptor, self._tar)

    def commit(self) -> None:
        """Put the archive in place."""
        with disk_errors():
            self._tar.add(INDEX, _index([self._entry]))
            self._tar.finish()
            self._staged.keep()

    def discard(self) -> None:
        """Remove the archive unless it is in place."""
        self._staged.drop()


def _each_once(root: Document, documents: Sequence[Document]) -> list[Document]:
    return list({document.digest: document for document in (root, *documents)}.values())


def _entry(root: Document, name: str | None) -> dict[str, Any]:
    """Return what an index.json says of an image."""
    return replace(root.descriptor, annotations=((REF_NAME, name),) if name else ()).to_json()


def _index(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, indent=2).encode()


def _same_image(one: dict[str, Any], other: dict[str, Any]) -> bool:
    name = _ref_name(one)
    return name == _ref_name(other) and (name is not None or one.get("digest") == other.get("digest"))


def _ref_name(entry: dict[str, Any]) -> Any:
    annotations = entry.get("annotations")
    return annotations.get(REF_NAME) if isinstance(annotations, dict) else None
