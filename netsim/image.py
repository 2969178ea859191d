"""Container images from plain files, without a container engine: an OCI image layout of gzip'ed tar layers."""

import gzip
import hashlib
import json
import platform
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a layout directory: what `oci:DIR` names, and what somebody who fetches it must receive."""

    layout: Path
    digest: str
    sizes: dict[str, int]
    """Bytes of each blob by its digest: the manifest, the config and every layer, each once."""

    @property
    def total(self) -> int:
        """Bytes of all blobs together."""
        return sum(self.sizes.values())

    @classmethod
    def open(cls, layout: Path) -> Self:
        """Return the single image of a layout that an ImageWriter has finished."""
        index = json.loads((layout / "index.json").read_text())
        (descriptor,) = index["manifests"]
        manifest = json.loads(blob_path(layout, descriptor["digest"]).read_bytes())
        members = [descriptor, manifest["config"], *manifest["layers"]]
        return cls(layout, descriptor["digest"], {member["digest"]: member["size"] for member in members})

    @property
    def config(self) -> str:
        """The digest of the config."""
        return str(self._manifest["config"]["digest"])

    @property
    def layers(self) -> list[str]:
        """The digests of the layers, the lowest first."""
        return [layer["digest"] for layer in self._manifest["layers"]]

    @property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self.path(self.digest).read_bytes())
        return manifest

    def path(self, digest: str) -> Path:
        """Return where a blob of the image lies."""
        return blob_path(self.layout, digest)


class ImageWriter:
    """Writes one image, a layer after the other, the lowest first."""

    def __init__(self, layout: Path) -> None:
        self._layout = layout
        self._layers: list[dict[str, Any]] = []
        self._diff_ids: list[str] = []
        (layout / "blobs" / "sha256").mkdir(parents=True)

    @contextmanager
    def layer(self) -> Iterator[tarfile.TarFile]:
        """Yield the tar archive of the next layer, open for adding."""
        content, packed = self._layout / "layer.tar", self._layout / "layer.tar.gz"
        with tarfile.open(content, "w", format=tarfile.PAX_FORMAT) as archive:
            yield archive
        with (
            content.open("rb") as source,
            packed.open("wb") as target,
            # neither date nor name in the gzip header: the same content gives the same digest
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=target, mtime=0) as compressed,
        ):
            shutil.copyfileobj(source, compressed, _CHUNK)
        self._diff_ids.append(digest_of_file(content))
        content.unlink()
        digest = digest_of_file(packed)
        self._layers.append({"mediaType": LAYER, "digest": digest, "size": packed.stat().st_size})
        packed.replace(blob_path(self._layout, digest))

    def finish(self, name: str, command: Sequence[str]) -> Image:
        """Return the image, complete under name in the layout's index. A container of it runs command."""
        config = self._put(
            CONFIG,
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": {"Cmd": list(command), "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
                "rootfs": {"type": "layers", "diff_ids": self._diff_ids},
                "history": [{"created_by": "netsim"} for _ in self._diff_ids],
            },
        )
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": self._layers}
        manifest = self._put(MANIFEST, document) | {"annotations": {REF_NAME: name}}
        (self._layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        (self._layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        return Image.open(self._layout)

    def _put(self, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blob_path(self._layout, digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def add_file(archive: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    """Add one regular file, owned by root and dated 1970, so that the same content gives the same layer."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = mode
    archive.addfile(member, BytesIO(data))


def digest_of_file(path: Path) -> str:
    """Return the digest of what a file holds. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def blob_path(layout: Path, digest: str) -> Path:
    """Return where a blob lies in an OCI image layout, as a node's store is one too."""
    algorithm, _, encoded = digest.partition(":")
    return layout / "blobs" / algorithm / encoded
