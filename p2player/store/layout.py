"""The store's directory: an OCI image layout (image-layout.md), which skopeo, crane and umoci read as it is.

`index.json` lists everything that keeps blobs alive: each name, with all that the catalog knows of it, and each pinned
blob. So blobs and index.json, with origins.json (see origins.py), are enough to make a lost catalog again.
"""

import base64
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from p2player.errors import InvalidDigest, InvalidManifest
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import JsonObject
from p2player.oci.manifest import Descriptor
from p2player.oci.mediatypes import OCI_INDEX, OCTET_STREAM
from p2player.store.durable import make_directory, replace_file, sync_directory
from p2player.store.origins import OriginsFile
from p2player.store.rows import NameRow, StoredBlob

log = logging.getLogger(__name__)

_REF_NAME = "org.opencontainers.image.ref.name"
_SCOPE = "io.p2player.scope"
_NAME = "io.p2player.name"
_RECORD = "io.p2player.record"
_ISSUED = "io.p2player.issued"


class Layout:
    """The files under one layout directory. Every change to them goes through here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._index = root / "index.json"
        self.origins = OriginsFile(root / "origins.json")

    def prepare(self) -> None:
        """Make an empty layout where there is none."""
        make_directory(self.root)
        make_directory(self._blobs)
        marker = self.root / "oci-layout"
        if not marker.exists():
            replace_file(marker, b'{"imageLayoutVersion":"1.0.0"}')

    def path(self, digest: Digest) -> Path:
        """Return where the blob is, if it is there."""
        return self._blobs / digest.algorithm / digest.hex

    def link(self, source: Path, digest: Digest) -> None:
        """Give a verified, synced file its place among the blobs; not durable before `sync`."""
        target = self.path(digest)
        make_directory(target.parent)
        target.unlink(missing_ok=True)
        os.link(source, target)

    def point(self, digest: Digest, target: Path) -> None:
        """Let a blob's place point to somebody else's file; a crash may lose that."""
        place = self.path(digest)
        make_directory(place.parent)
        place.unlink(missing_ok=True)
        place.symlink_to(target.absolute())

    def pointer(self, digest: Digest) -> Path | None:
        """Return the file of somebody else's that a blob's place points to, or None if it does not."""
        place = self.path(digest)
        return place.readlink() if place.is_symlink() else None

    def holds(self, digest: Digest) -> bool:
        """Tell whether there is a file of our own in a blob's place."""
        return self.path(digest).exists() and self.pointer(digest) is None

    def pointers(self) -> Iterator[tuple[Digest, Path]]:
        """Return each blob whose place points to somebody else's file, and that file, which may not be there any more."""
        for path in self._blobs.glob("*/*"):
            if path.is_symlink():
                with suppress(InvalidDigest):
                    yield Digest.from_path(path), path.readlink()

    def sync(self, digests: Iterable[Digest]) -> None:
        """Wait until the places given to these blobs, or taken from them, are on the disk."""
        for directory in {self.path(digest).parent for digest in digests}:
            sync_directory(directory)

    def unlink(self, digest: Digest) -> None:
        """Take the blob's file away; readers who have it open keep it."""
        self.path(digest).unlink(missing_ok=True)

    def files(self) -> Iterator[tuple[Digest, int]]:
        """Return digest and size in bytes of every file that is named like a blob."""
        for path in sorted(self._blobs.glob("*/*")):
            try:
                digest = Digest.from_path(path)
            except InvalidDigest:
                log.warning("%s is not named like a blob; left alone", path)
                continue
            if path.is_file() and not path.is_symlink():
                yield digest, path.stat().st_size

    def write_index(self, names: Iterable[NameRow], pins: Iterable[StoredBlob]) -> None:
        """Make index.json list these names and pinned blobs. Writes nothing if it does already."""
        manifests = [_descriptor_of_name(row).to_json() for row in names]
        manifests += [Descriptor(pin.media_type or OCTET_STREAM, pin.digest, pin.size).to_json() for pin in pins]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        data = json.dumps(index, indent=1).encode()
        if not self._index.exists() or self._index.read_bytes() != data:
            replace_file(self._index, data)

    def read_index(self) -> tuple[list[NameRow], list[Digest]]:
        """Return the names and the pinned digests that index.json lists.

        An entry of another tool's making pins its blob; one that makes no sense is left out.
        """
        names: list[NameRow] = []
        pins: list[Digest] = []
        try:
            entries = list(
                JsonObject.parse(self._index.read_bytes(), "index.json", InvalidManifest).objects("manifests")
            )
        except FileNotFoundError:
            return names, pins
        except InvalidManifest as error:
            log.warning("%s cannot be read, its names are lost: %s", self._index, error)
            return names, pins
        for entry in entries:
            try:
                descriptor = Descriptor.from_json(entry)
                if descriptor.annotation(_SCOPE) is None:
                    pins.append(descriptor.digest)
                else:
                    names.append(_name_of_descriptor(descriptor))
            except (InvalidManifest, KeyError, ValueError) as error:
                log.warning("an entry of %s cannot be read and is lost: %s", self._index, error)
        return names, pins


def _descriptor_of_name(row: NameRow) -> Descriptor:
    annotations = {
        _REF_NAME: row.reference,
        _SCOPE: row.scope,
        _NAME: row.name,
        _RECORD: base64.b64encode(row.record).decode(),
        _ISSUED: str(row.issued),
    }
    plain = row.descriptor
    return Descriptor(plain.media_type, plain.digest, plain.size, annotations=tuple(annotations.items()))


def _name_of_descriptor(listed: Descriptor) -> NameRow:
    annotations = dict(listed.annotations)
    issued = int(annotations[_ISSUED])
    if not 0 <= issued < 2**63:
        raise ValueError(f"not a time: {issued}")
    return NameRow(
        annotations[_SCOPE],
        annotations[_NAME],
        Descriptor(listed.media_type, listed.digest, listed.size),
        base64.b64decode(annotations[_RECORD], validate=True),
        issued,
    )
