"""Small images in every form, made by hand so that each test can break one thing of them."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document, sniff
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER

COMPRESS = {"": bytes, "+gzip": lambda data: gzip.compress(data, mtime=0)}


@dataclass
class Image:
    """A root document and all blobs, documents included; `diffs` are the uncompressed layers."""

    root: Document
    config: bytes
    diffs: list[bytes]
    blobs: dict[Digest, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> Digest:
        self.blobs[Digest.of(data)] = data
        return Digest.of(data)

    @property
    def documents(self) -> list[Document]:
        return [document for data in self.blobs.values() if (document := sniff(data))]


@pytest.fixture(scope="session")
def tar_of() -> Callable[..., bytes]:
    """Return a tar of (name, bytes) files and (name, "->", target) or (name, "=>", target) links."""

    def make(*entries: tuple) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data, *target in entries:
                member = tarfile.TarInfo(name)
                if target:
                    member.type = tarfile.SYMTYPE if data == "->" else tarfile.LNKTYPE
                    member.linkname = target[0]
                    archive.addfile(member)
                else:
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def make_image(tar_of) -> Callable[..., Image]:
    """Return an image with these files, one a layer."""

    def make(
        *files: bytes, compression: str = "", compress: Callable[[bytes], bytes] | None = None, arch: str = "amd64"
    ) -> Image:
        compress = compress or COMPRESS[compression]
        diffs = [tar_of((f"file{number}", data)) for number, data in enumerate(files or (b"hello", b"world" * 1000))]
        diff_ids = [str(Digest.of(diff)) for diff in diffs]
        config = json.dumps(
            {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        ).encode()
        layers = [compress(diff) for diff in diffs]
        document = Document.of_image(
            Descriptor(OCI_CONFIG, Digest.of(config), len(config)),
            tuple(Descriptor(OCI_LAYER + compression, Digest.of(layer), len(layer)) for layer in layers),
        )
        image = Image(document, config, diffs)
        for blob in (config, *layers, document.raw):
            image.put(blob)
        return image

    return make


@pytest.fixture(scope="session")
def index_of() -> Callable[..., Image]:
    """Return an image whose root is an index of these (platform, image) pairs."""

    def make(*entries: tuple) -> Image:
        manifests = [
            {**image.root.descriptor.to_json(), "platform": {"os": platform.os, "architecture": platform.architecture}}
            for platform, image in entries
        ]
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()
        whole = Image(Document.parse(raw), b"", [])
        for _, image in entries:
            whole.blobs.update(image.blobs)
        whole.put(raw)
        return whole

    return make


@pytest.fixture(scope="session")
def layout_of() -> Callable[..., dict[str, bytes]]:
    """Return the files of an image layout with these images, by name."""

    def make(**images: Image) -> dict[str, bytes]:
        entries, files = [], {}
        for name, image in images.items():
            entry = image.root.descriptor.to_json()
            entries.append(entry | {"annotations": {"org.opencontainers.image.ref.name": name}})
            files |= {f"blobs/{digest.algorithm}/{digest.hex}": data for digest, data in image.blobs.items()}
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
        return files

    return make


@pytest.fixture(scope="session")
def docker_save() -> Callable[..., list[tuple]]:
    """Return the entries of what `docker save` up to 24 writes for an image: a repeated layer is a symbolic link."""

    def make(image: Image, *tags: str) -> list[tuple]:
        entries, seen, names = [], {}, []
        for number, diff in enumerate(image.diffs):
            name = f"{number:064x}/layer.tar"
            names.append(name)
            entries += [(f"{number:064x}/VERSION", b"1.0"), (f"{number:064x}/json", b'{"id":"legacy"}')]
            entries.append((name, "->", f"../{seen[diff]}") if diff in seen else (name, diff))
            seen.setdefault(diff, name)
        config_name = f"{Digest.of(image.config).hex}.json"
        manifest = [{"Config": config_name, "RepoTags": list(tags) or None, "Layers": names}]
        entries += [
            (config_name, image.config),
            ("manifest.json", json.dumps(manifest).encode()),
            ("repositories", b"{}"),
        ]
        return entries

    return make


@pytest.fixture(scope="session")
def read_all() -> Callable[..., tuple]:
    """Return the images of a source and its blobs by their digests, read in chunks."""

    def read(source) -> tuple:
        blobs = {}
        with source:
            for blob in source.blobs():
                data = b"".join(iter(lambda stream=blob.stream: stream.read(1000), b""))
                assert blob.size in {None, len(data)}
                assert blob.digest is None or blob.digest.matches(data)
                blobs[blob.digest or Digest.of(data)] = data
            return source.images(), blobs

    return read


@pytest.fixture(scope="session")
def write_all() -> Callable[..., None]:
    """Write an image to a destination in chunks, and commit it."""

    def write(destination, image: Image, name: str | None = None, documents: Iterable[Document] | None = None) -> None:
        documents = list(documents) if documents is not None else image.documents
        destination.begin(name, image.root, documents)
        for document in documents:
            for child in document.children:
                if destination.wants(child):
                    with destination.writer(child) as writer:
                        data = image.blobs[child.digest]
                        for start in range(0, len(data), 1000):
                            writer.write(data[start : start + 1000])
        destination.commit()

    return write
