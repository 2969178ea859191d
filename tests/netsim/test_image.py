import gzip
import hashlib
import io
import json
import tarfile

import pytest

from netsim.image import Image, ImageWriter, add_file


def write(layout, *layers):
    writer = ImageWriter(layout)
    for files in layers:
        with writer.layer() as archive:
            for name, data in files.items():
                add_file(archive, name, data)
    return writer.finish("1", ["/bin/app"])


def names(unpacked):
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        return archive.getnames()


def test_every_blob_of_an_image_has_the_size_and_digest_it_is_named_by(tmp_path):
    image = write(tmp_path / "layout", {"a": b"lower"}, {"b": b"upper"})
    assert len(image.sizes) == 4
    for digest, size in image.sizes.items():
        data = image.path(digest).read_bytes()
        assert (digest, size) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def test_the_blobs_are_all_that_is_left_in_the_layout(tmp_path):
    image = write(tmp_path / "layout", {"a": b"content"})
    files = {path.name for path in (tmp_path / "layout").rglob("*") if path.is_file()}
    assert files == {"oci-layout", "index.json"} | {digest.removeprefix("sha256:") for digest in image.sizes}


def test_diff_ids_are_the_digests_of_the_unpacked_layers_lowest_first(tmp_path):
    image = write(tmp_path / "layout", {"a": b"lower"}, {"b": b"upper"})
    config = json.loads(image.path(image.config).read_bytes())
    unpacked = [gzip.decompress(image.path(layer).read_bytes()) for layer in image.layers]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in unpacked]
    assert [names(data) for data in unpacked] == [["a"], ["b"]]


def test_a_layer_that_comes_twice_is_named_twice_and_counts_once(tmp_path):
    image = write(tmp_path / "layout", {"a": b"content"}, {"b": b"other"}, {"a": b"content"})
    first, second, third = image.layers
    assert first == third != second
    assert image.sizes.keys() == {image.digest, image.config, first, second}


def test_the_same_content_gives_the_same_image_wherever_it_is_written(tmp_path):
    first = write(tmp_path / "first", {"a": b"content"})
    second = write(tmp_path / "second", {"a": b"content"})
    other = write(tmp_path / "other", {"a": b"other content"})
    assert first.digest == second.digest != other.digest


def test_an_image_is_read_back_from_its_layout(tmp_path):
    image = write(tmp_path / "layout", {"a": b"content"})
    assert Image.open(tmp_path / "layout") == image


def test_an_unfinished_layout_is_no_image(tmp_path):
    ImageWriter(tmp_path / "layout")
    with pytest.raises(FileNotFoundError):
        Image.open(tmp_path / "layout")
