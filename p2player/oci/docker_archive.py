"""Reading what `docker save` writes, in both of its forms.

Docker 25 and later puts an OCI image layout into the archive. Before that, and from podman, crane and others,
`manifest.json` names a config and layers by their file names, and no OCI manifest exists anywhere. One is made here:
the config as it is and the layers as they lie in the archive, so the same image always gives the same manifest.

In that form only `manifest.json` tells layers from other files, and it may come last. So every file passes as a blob
under the hash of its bytes, and is given its meaning at the end.
"""

import hashlib
import io
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from p2player.errors import DigestMismatch, InvalidArchive
from p2player.oci.compression import Compression, Decompressor
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import JsonObject, parse_json
from p2player.oci.layout import INDEX, LAYOUT, blob_digest, read_index, read_small
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_LAYER
from p2player.oci.platform import Platform
from p2player.oci.source import Inventory, SourceBlob, SourceImage, open_input
from p2player.oci.tarstream import ByteStream, TarFile, follow, read_tar

MANIFEST = "manifest.json"
_CONFIG_NAME = re.compile(r"(?:sha256:(?P<crane>[0-9a-f]{64})|(?P<docker>[0-9a-f]{64})\.json)")
# What Docker before 1.10 needed, and nobody reads any more.
_LEGACY_NAME = re.compile(r"repositories|[^/]+/(?:json|VERSION)")


class Closable(ByteStream, Protocol):
    """A stream that whoever reads it also closes."""

    def close(self) -> None:
        """Let go of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of the old form that has passed: its blob, and what its uncompressed content hashes to."""

    digest: Digest
    size: int
    compression: Compression
    diff_id: Digest
    text: bytes | None


class DockerArchiveSource:
    """A docker archive as it comes from a file or a daemon."""

    def __init__(self, label: str, stream: Closable) -> None:
        self.label = label
        self._stream = stream
        self._inventory = Inventory()
        self._members: dict[str, _Member] = {}
        self._links: dict[str, str] = {}
        self._images: tuple[SourceImage, ...] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the archive in a file, or raise BadInput if it cannot be read."""
        return cls(str(path), open_input(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

    def blobs(self) -> Iterator[SourceBlob]:
        """Yield the blobs in their order in the archive, then the manifests that were made for them."""
        index = manifest = None
        for entry in read_tar(self._stream):
            if not isinstance(entry, TarFile):
                self._links[entry.name] = entry.target
            elif entry.name == INDEX:
                index = read_small(entry)
            elif entry.name == MANIFEST:
                manifest = read_small(entry)
            elif (digest := blob_digest(entry.name)) is not None:
                yield from self._inventory.passing(entry.content, entry.size, digest)
            elif entry.name != LAYOUT and not _LEGACY_NAME.fullmatch(entry.name):
                yield from self._pass_member(entry)
        if index is not None:
            images = read_index(index, self.label)
            for image in images:
                self._inventory.require(image.descriptor)
        elif manifest is not None:
            images = yield from self._make_images(manifest)
        else:
            raise InvalidArchive(f"{self.label} has no {MANIFEST}", hint="is it a docker archive, and all of it?")
        self._images = images

    def images(self) -> tuple[SourceImage, ...]:
        """Return the images, one for each of their tags."""
        return self._images

    def _pass_member(self, entry: TarFile) -> Iterator[SourceBlob]:
        compression = Compression.of(entry.content.peek(4))
        plain_hash = hashlib.sha256()
        decompressor = Decompressor(plain_hash.update) if compression is not Compression.NONE else None
        stream = yield from self._inventory.passing(
            entry.content,
            entry.size,
            _config_digest(entry.name),
            observer=decompressor.write if decompressor else None,
        )
        diff_id = stream.digest
        if decompressor is not None:
            decompressor.finish()
            diff_id = Digest("sha256", plain_hash.hexdigest())
        self._members[entry.name] = _Member(stream.digest, stream.size, compression, diff_id, stream.text)

    def _make_images(self, raw: bytes) -> Generator[SourceBlob, None, tuple[SourceImage, ...]]:
        entries = parse_json(raw, MANIFEST, InvalidArchive)
        if not isinstance(entries, list) or not entries:
            raise InvalidArchive(f"{self.label} holds no image")
        images: list[SourceImage] = []
        for entry in entries:
            members = JsonObject(entry, MANIFEST, InvalidArchive)
            document, platform = self._make_manifest(members.text("Config"), members.texts("Layers"))
            yield from self._inventory.passing(io.BytesIO(document.raw), len(document.raw), document.digest)
            descriptor = Descriptor(document.media_type, document.digest, len(document.raw), platform)
            images.extend(SourceImage(name, descriptor) for name in members.texts("RepoTags") or (None,))
        return tuple(images)

    def _make_manifest(self, config_name: str, layer_names: tuple[str, ...]) -> tuple[Document, Platform | None]:
        config = self._member(config_name)
        if config.text is None:
            raise InvalidArchive(f"{config_name[:200]} is no image config")
        members = JsonObject.parse(config.text, config_name[:200], InvalidArchive)
        diff_ids = members.object("rootfs").texts("diff_ids") if "rootfs" in members else ()
        layers = [self._member(name) for name in layer_names]
        if len(diff_ids) != len(layers):
            raise InvalidArchive(f"{config_name[:200]} counts {len(diff_ids)} layers, {MANIFEST} {len(layers)}")
        for layer, name, diff_id in zip(layers, layer_names, diff_ids, strict=True):
            if str(layer.diff_id) != diff_id:
                raise DigestMismatch(
                    f"layer {name[:200]} has other content: {layer.diff_id}, the config says {diff_id}"
                )
        document = Document.of_image(
            Descriptor(OCI_CONFIG, config.digest, config.size),
            tuple(Descriptor(OCI_LAYER + layer.compression.value, layer.digest, layer.size) for layer in layers),
        )
        return document, Platform.from_json(members) if "architecture" in members else None

    def _member(self, name: str) -> _Member:
        member = self._members.get(follow(name, self._links))
        if member is None:
            raise InvalidArchive(f"{self.label} has no {name[:200]}", hint="the archive may be cut off")
        return member


def _config_digest(name: str) -> Digest | None:
    match = _CONFIG_NAME.fullmatch(name)
    return Digest("sha256", match["crane"] or match["docker"]) if match else None
