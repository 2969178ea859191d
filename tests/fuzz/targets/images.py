"""Names, manifests, and archives of images, from registries, peers and users alike."""

import gzip
import io
import json
import tarfile
from contextlib import suppress

import zstandard

from p2player.errors import (
    BadInput,
    DigestMismatch,
    InvalidArchive,
    InvalidDigest,
    InvalidManifest,
    InvalidReference,
    ReferenceNotFound,
)
from p2player.oci.compression import Decompressor
from p2player.oci.digest import Digest
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.jsonobject import parse_json
from p2player.oci.layout import LayoutArchiveSource, read_index
from p2player.oci.manifest import Descriptor, Document, Index, sniff
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference, registry_of_path
from p2player.oci.source import Source
from p2player.oci.tarstream import TarFile, read_tar
from tests.fuzz.scratch import as_file
from tests.fuzz.shapes import JSON, tar_headers
from tests.fuzz.target import Target, as_text

_MIB = 1 << 20
_ARCHIVE = 1 << 15  # bytes: a tar of a few files, with its padding


def _tar(*files: tuple[str, bytes], link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
        used = archive.offset
    return buffer.getvalue()[: used + 2 * tarfile.BLOCKSIZE]  # what follows is padding to a tape's record


_LAYER = _tar(("file", b"hello"))
_CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(_LAYER))]},
    }
).encode()
_IMAGE = Document.of_image(
    Descriptor(OCI_CONFIG, Digest.of(_CONFIG), len(_CONFIG)), (Descriptor(OCI_LAYER, Digest.of(_LAYER), len(_LAYER)),)
)
_ENTRY = {
    **_IMAGE.descriptor.to_json(),
    "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    "annotations": {"org.opencontainers.image.ref.name": "1"},
}
_INDEX = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_ENTRY]}).encode()
_BLOBS = [(f"blobs/sha256/{Digest.of(data).hex}", data) for data in (_IMAGE.raw, _CONFIG, _LAYER)]
_LAYOUT = _tar(("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", _INDEX), *_BLOBS)
_SAVED = _tar(
    ("a/layer.tar", _LAYER),
    (f"{Digest.of(_CONFIG).hex}.json", _CONFIG),
    (
        "manifest.json",
        json.dumps(
            [{"Config": f"{Digest.of(_CONFIG).hex}.json", "RepoTags": ["app:1"], "Layers": ["a/layer.tar"]}]
        ).encode(),
    ),
)


def _digest(data: bytes) -> None:
    digest = Digest.parse(as_text(data))
    assert Digest.parse(str(digest)) == digest


def _reference(data: bytes) -> None:
    reference = Reference.parse(as_text(data))
    assert Reference.parse(str(reference)) == reference
    assert str(reference).isascii()


def _registry_in_path(data: bytes) -> None:
    name = registry_of_path(as_text(data))
    assert name is None or name.isascii()


def _platform(data: bytes) -> None:
    platform = Platform.parse(as_text(data))
    assert Platform.parse(str(platform)).os == platform.os
    assert platform.satisfies(platform)


def _json(data: bytes) -> None:
    json.dumps(parse_json(data, "input", InvalidManifest), ensure_ascii=False).encode()


def _manifest(data: bytes) -> None:
    document = Document.parse(data)
    assert document.raw == data
    for entry in (*document.children, document.referrer, document.descriptor):
        assert entry.size >= 0
        assert json.loads(json.dumps(entry.to_json()))["digest"] == str(entry.digest)
    if isinstance(document.content, Index):
        with suppress(ReferenceNotFound):
            document.content.choose(Platform("linux", "amd64"))
    assert sniff(data) == document


def _index(data: bytes) -> None:
    assert read_index(data, "input")


def _read_tar(data: bytes) -> None:
    for entry in read_tar(io.BytesIO(data)):
        assert not entry.name.startswith(("/", "../"))
        if isinstance(entry, TarFile):
            read = 0
            while chunk := entry.content.read(1 << 16):
                read += len(chunk)
            assert read == entry.size


def _decompress(data: bytes) -> None:
    longest = 0

    def take(plain: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(plain))

    decompressor = Decompressor(take)
    for start in range(0, len(data), 1000):
        decompressor.write(data[start : start + 1000])
    decompressor.finish()
    assert longest <= _MIB


def _read_all(source: Source) -> None:
    with source:
        passed = {}
        for blob in source.blobs():
            read = b"".join(iter(lambda stream=blob.stream: stream.read(1000), b""))
            assert blob.digest is None or blob.digest.matches(read)
            passed[Digest.of(read)] = read
        assert source.images()
        for image in source.images():
            assert image.descriptor.digest in passed or image.descriptor.digest.algorithm != "sha256"


def _layout_archive(data: bytes) -> None:
    _read_all(LayoutArchiveSource(as_file(data)))


def _docker_archive(data: bytes) -> None:
    _read_all(DockerArchiveSource.open(as_file(data)))


TARGETS = (
    Target(
        "images.digest",
        _digest,
        (InvalidDigest,),
        tuple(str(Digest.of(b"", kind)).encode() for kind in ("sha256", "sha512")),
    ),
    Target(
        "images.reference",
        _reference,
        (InvalidReference, InvalidDigest),
        (b"alpine", b"localhost:5000/team/app:1.2", f"ghcr.io/org/app@{Digest.of(b'')}".encode(), b"[::1]:5000/a/b:c"),
    ),
    Target("images.registry_in_path", _registry_in_path, (), (b"registry.example__5000", b"localhost")),
    Target("images.platform", _platform, (BadInput,), (b"linux/arm/v7", b"linux/amd64")),
    Target("images.json", _json, (InvalidManifest,), (b'{"a": [1, null, "\\u00e9"]}',), shape=JSON),
    Target("images.manifest", _manifest, (InvalidManifest,), (_IMAGE.raw, _INDEX), shape=JSON),
    Target("images.index", _index, (InvalidArchive,), (_INDEX,), shape=JSON),
    Target(
        "images.tar",
        _read_tar,
        (InvalidArchive,),
        (_LAYER, gzip.compress(_LAYER, mtime=0), _tar(("a/b", b"x" * 600), link="a/b")),
        max_length=_ARCHIVE,
        shape=tar_headers,
    ),
    Target(
        "images.compression",
        _decompress,
        (InvalidArchive,),
        (b"plain", gzip.compress(b"x" * 5000, mtime=0) * 2, zstandard.compress(b"y" * 5000)),
    ),
    Target(
        "images.layout_archive",
        _layout_archive,
        (BadInput, DigestMismatch),
        (_LAYOUT,),
        max_length=_ARCHIVE,
        shape=tar_headers,
    ),
    Target(
        "images.docker_archive",
        _docker_archive,
        (BadInput, DigestMismatch),
        (_SAVED, _LAYOUT, gzip.compress(_SAVED, mtime=0)),
        max_length=_ARCHIVE,
        shape=tar_headers,
    ),
)
