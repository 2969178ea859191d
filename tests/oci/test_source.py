import io
import os
from pathlib import Path

import pytest

from p2player.errors import BadInput, DigestMismatch, InvalidArchive
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor
from p2player.oci.mediatypes import OCI_MANIFEST
from p2player.oci.platform import Platform
from p2player.oci.source import FileSource, HashedStream, Inventory


def hashed(data, expected=None):
    stream = HashedStream(io.BytesIO(data), expected)
    stream.drain()
    return stream


def manifest_descriptor(raw):
    return Descriptor(OCI_MANIFEST, Digest.of(raw), len(raw))


def inventory_of(blobs):
    inventory = Inventory()
    for digest, data in blobs.items():
        for _ in inventory.passing(io.BytesIO(data), len(data), digest):
            pass
    return inventory


def test_stream_knows_its_digest_and_size_at_its_end():
    stream = hashed(b"x" * 1_000_000)

    assert (stream.digest, stream.size) == (Digest.of(b"x" * 1_000_000), 1_000_000)


def test_stream_is_checked_by_the_algorithm_of_its_name():
    assert hashed(b"x", Digest.of(b"x", "sha512")).digest == Digest.of(b"x", "sha512")
    with pytest.raises(DigestMismatch):
        hashed(b"x", Digest.of(b"y", "sha512"))


def test_reading_nothing_is_not_the_end():
    stream = HashedStream(io.BytesIO(b"x"), Digest.of(b"x"))

    assert stream.read(0) == b""
    assert stream.read(-1) == b"x"


@pytest.mark.parametrize("data", [b'{"a":1}', b' \n{"a":1}', b"", b" "])
def test_small_text_that_may_be_json_is_kept(data):
    assert hashed(data).text == data


@pytest.mark.parametrize("data", [b"\x1f\x8b{", b"[]", b"{" + b" " * MAX_DOCUMENT])
def test_other_content_is_not_kept(data):
    assert hashed(data).text is None


def test_observer_sees_every_byte_once():
    seen = []
    HashedStream(io.BytesIO(b"abc"), observer=seen.append).drain()

    assert b"".join(seen) == b"abc"


def test_whole_image_is_complete(make_image):
    image = make_image()

    inventory_of(image.blobs).require(image.root.descriptor)


def test_image_without_any_one_of_its_blobs_is_not(make_image):
    image = make_image()
    for missing in image.blobs:
        with pytest.raises(InvalidArchive, match=f"{missing} is missing"):
            inventory_of({digest: data for digest, data in image.blobs.items() if digest != missing}).require(
                image.root.descriptor
            )


def test_descriptor_with_another_size_is_refused(make_image):
    image = make_image()
    changed = image.root.raw.replace(f'"size":{len(image.config)}'.encode(), b'"size":1')

    with pytest.raises(InvalidArchive, match="its descriptor says 1"):
        inventory_of(image.blobs | {Digest.of(changed): changed}).require(manifest_descriptor(changed))


def test_sparse_index_is_complete_with_one_whole_image(make_image, index_of):
    amd64, arm64 = make_image(b"1"), make_image(b"2", arch="arm64")
    whole = index_of((Platform("linux", "amd64"), amd64), (Platform("linux", "arm64"), arm64))
    sparse = {digest: data for digest, data in whole.blobs.items() if digest not in arm64.blobs}

    inventory_of(sparse).require(whole.root.descriptor)


def test_sparse_index_is_not_complete_with_half_an_image_or_none(make_image, index_of):
    amd64, arm64 = make_image(b"1"), make_image(b"2", arch="arm64")
    whole = index_of((Platform("linux", "amd64"), amd64), (Platform("linux", "arm64"), arm64))
    half = {digest: data for digest, data in whole.blobs.items() if data != arm64.config}

    with pytest.raises(InvalidArchive, match="is missing"):
        inventory_of(half).require(whole.root.descriptor)
    with pytest.raises(InvalidArchive, match="none of the images"):
        inventory_of({whole.root.digest: whole.root.raw}).require(whole.root.descriptor)


def test_blob_that_is_named_as_a_manifest_must_be_one():
    text = b'{"schemaVersion":1}'

    with pytest.raises(InvalidArchive, match="neither manifest nor index"):
        inventory_of({Digest.of(text): text}).require(manifest_descriptor(text))


def test_file_is_one_blob_and_no_image(tmp_path, read_all):
    (tmp_path / "file").write_bytes(b"content")

    assert read_all(FileSource(tmp_path / "file")) == ((), {Digest.of(b"content"): b"content"})


def test_size_of_a_pipe_is_not_known():
    reading, writing = os.pipe()
    os.close(writing)
    with FileSource(Path(f"/dev/fd/{reading}")) as source:
        assert next(source.blobs()).size is None
    os.close(reading)


def test_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        FileSource(tmp_path / "none")
    with pytest.raises(BadInput, match="Is a directory"):
        FileSource(tmp_path)
