"""Writing a docker archive that every `docker load` takes: a config, uncompressed layers, and `manifest.json`."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from p2player.errors import BadInput, DigestMismatch, InvalidManifest
from p2player.oci.blobwriter import BlobWriter, Sink, StagedFile, disk_errors
from p2player.oci.compression import Decompressor
from p2player.oci.digest import Digest
from p2player.oci.docker_archive import MANIFEST
from p2player.oci.jsonobject import JsonObject
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document, Manifest
from p2player.oci.mediatypes import IMAGE_CONFIGS, is_distributable
from p2player.oci.reference import Reference
from p2player.oci.tarwriter import TarWriter

_HINT = "write it to oci-archive:FILE or oci:DIR"


class DockerArchiveDestination:
    """A docker archive with one image of one platform. Docker finds layers by their uncompressed content only."""

    holds_images = True

    def __init__(self, path: Path) -> None:
        self._staged = StagedFile(path)
        self._tar = TarWriter(self._staged.file)
        self._name: str | None = None
        self._manifest: Manifest | None = None
        self._config = bytearray()
        self._diff_ids: dict[Digest, Digest] = {}

    def begin(self, name: str | None, root: Document, documents: Sequence[Document]) -> None:
        """Start the one image among the documents. Raises BadInput if there is not one, or not one for Docker."""
        manifests = {each.digest: each.content for each in (root, *documents) if isinstance(each.content, Manifest)}
        if len(manifests) != 1:
            raise BadInput(f"a docker archive holds one platform's image, not {len(manifests)}", hint=_HINT)
        (manifest,) = manifests.values()
        if manifest.config.media_type not in IMAGE_CONFIGS or manifest.config.size > MAX_DOCUMENT:
            raise BadInput(f"not a container image for Docker: {manifest.config.media_type}", hint=_HINT)
        if not all(is_distributable(layer.media_type) for layer in manifest.layers):
            raise BadInput("an image with layers that only their vendor may distribute", hint=_HINT)
        self._name = name
        self._manifest = manifest

    def wants(self, descriptor: Descriptor) -> bool:
        """Tell whether this blob belongs to the image and has yet to be written."""
        image = self._image()
        belongs = descriptor.digest in {part.digest for part in (image.config, *image.layers)}
        return belongs and self._member_name(descriptor.digest) not in self._tar.names

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Return the context in which this blob is written."""
        sink: Sink
        if descriptor.digest == self._image().config.digest:
            sink = _Config(self._tar, self._config)
        else:
            sink = _Layer(self._tar, self._diff_ids, descriptor.digest)
        self._tar.begin(self._member_name(descriptor.digest))
        return BlobWriter(descriptor, sink)

    def commit(self) -> None:
        """Put the archive in place. Raises DigestMismatch if its layers are not those that its config was made for."""
        image = self._image()
        config = JsonObject.parse(bytes(self._config), "image config", InvalidManifest)
        expected = config.object("rootfs").texts("diff_ids")
        found = tuple(str(self._diff_ids[layer.digest]) for layer in image.layers)
        if found != expected:
            raise DigestMismatch("the layers have other content than the image's config says")
        entry = {
            "Config": self._member_name(image.config.digest),
            "RepoTags": _repo_tags(self._name),
            "Layers": [self._member_name(layer.digest) for layer in image.layers],
        }
        with disk_errors():
            self._tar.add(MANIFEST, json.dumps([entry]).encode())
            self._tar.finish()
            self._staged.keep()

    def discard(self) -> None:
        """Remove the archive unless it is in place."""
        self._staged.drop()

    def _image(self) -> Manifest:
        if self._manifest is None:
            raise RuntimeError("begin comes first")
        return self._manifest

    def _member_name(self, digest: Digest) -> str:
        return f"{digest.hex}.{'json' if digest == self._image().config.digest else 'tar'}"


class _Config:
    """Writes the config as it is, and keeps it for the end, when the layers are known."""

    def __init__(self, tar: TarWriter, text: bytearray) -> None:
        self._tar = tar
        self._text = text

    def write(self, data: bytes, /) -> None:
        self._text += data
        self._tar.write(data)

    def keep(self) -> None:
        self._tar.keep()

    def drop(self) -> None:
        self._text.clear()
        self._tar.drop()


class _Layer:
    """Writes a layer uncompressed, and notes what it then hashes to."""

    def __init__(self, tar: TarWriter, diff_ids: dict[Digest, Digest], digest: Digest) -> None:
        self._tar = tar
        self._diff_ids = diff_ids
        self._digest = digest
        self._hasher = hashlib.sha256()
        self._decompressor = Decompressor(self._write_plain)

    def write(self, data: bytes, /) -> None:
        self._decompressor.write(data)

    def keep(self) -> None:
        self._decompressor.finish()
        self._tar.keep()
        self._diff_ids[self._digest] = Digest("sha256", self._hasher.hexdigest())

    def drop(self) -> None:
        self._tar.drop()

    def _write_plain(self, data: bytes) -> None:
        self._hasher.update(data)
        self._tar.write(data)


def _repo_tags(name: str | None) -> list[str]:
    """Return what `docker load` shall call the image: nothing if it is known by its digest only."""
    reference = Reference.parse(name) if name else None
    return [f"{reference.repository}:{reference.tag}"] if reference and reference.tag else []
