import gzip
import json

import pytest

from p2player.errors import BadInput, DigestMismatch, InvalidArchive, InvalidDigest, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.layout import LayoutArchiveSource, LayoutSource, blob_digest, blob_name, read_index, split_name
from p2player.oci.platform import Platform
from p2player.oci.source import SourceImage


@pytest.fixture(params=["directory", "archive", "gzip"])
def open_layout(request, tmp_path, tar_of):
    """Return a function that makes a source of a layout's files, in each of the forms a layout has."""

    def make(files):
        if request.param == "directory":
            for name, data in files.items():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(data)
            return LayoutSource(tmp_path)
        archive = tar_of(*((f"./{name}", data) for name, data in files.items()))
        (tmp_path / "archive").write_bytes(gzip.compress(archive) if request.param == "gzip" else archive)
        return LayoutArchiveSource(tmp_path / "archive")

    return make


def test_an_image_comes_out_whole(open_layout, make_image, layout_of, read_all):
    image = make_image(compression="+gzip")

    images, blobs = read_all(open_layout(layout_of(latest=image)))

    assert images == (SourceImage("latest", image.root.descriptor),)
    assert blobs == image.blobs


def test_every_image_of_a_layout_comes_out(open_layout, make_image, layout_of, read_all):
    one, two = make_image(b"1", b"shared"), make_image(b"2", b"shared")

    images, blobs = read_all(open_layout(layout_of(one=one, two=two)))

    assert [image.name for image in images] == ["one", "two"]
    assert blobs == one.blobs | two.blobs


def test_sparse_index_gives_the_images_that_are_there(open_layout, make_image, index_of, layout_of, read_all):
    amd64, arm64 = make_image(b"1"), make_image(b"2", arch="arm64")
    whole = index_of((Platform("linux", "amd64"), amd64), (Platform("linux", "arm64"), arm64))
    whole.blobs = {digest: data for digest, data in whole.blobs.items() if digest not in arm64.blobs}

    images, blobs = read_all(open_layout(layout_of(multi=whole)))

    assert images[0].descriptor == whole.root.descriptor
    assert blobs == whole.blobs


def test_what_is_left_unread_is_still_checked(open_layout, make_image, layout_of):
    files = layout_of(latest=make_image())
    with open_layout(files) as source:
        assert len([blob.digest for blob in source.blobs()]) == 4
        assert len(source.images()) == 1


def test_no_image_is_named_before_the_pass_is_over(open_layout, make_image, layout_of):
    with open_layout(layout_of(latest=make_image())) as source:
        next(source.blobs())

        assert source.images() == ()


def test_a_blob_with_other_content_fails_the_pass(open_layout, make_image, layout_of, read_all):
    image = make_image()
    for digest in image.blobs:
        source = open_layout(layout_of(latest=image) | {blob_name(digest): b"other"})
        with pytest.raises(DigestMismatch, match="other content"):
            read_all(source)
        assert source.images() == ()


def test_a_missing_blob_fails_the_pass(open_layout, make_image, layout_of, read_all):
    files = layout_of(latest=make_image())
    files.pop(next(iter(files)))

    with pytest.raises(InvalidArchive, match="is missing"):
        read_all(open_layout(files))


@pytest.mark.parametrize("index", [b"{}", b"", b'{"schemaVersion":2,"manifests":[]}', b'{"schemaVersion":2}'])
def test_a_layout_without_images_is_refused(open_layout, read_all, index):
    with pytest.raises(InvalidArchive):
        read_all(open_layout({"index.json": index}))


def test_a_directory_keeps_to_what_its_index_needs(tmp_path, make_image, layout_of, read_all):
    image, other = make_image(b"1"), make_image(b"2")
    for name, data in layout_of(one=image, two=other).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    images, blobs = read_all(LayoutSource(tmp_path, "one"))

    assert [each.name for each in images] == ["one"]
    assert blobs == image.blobs


def test_what_is_no_layout_is_refused(tmp_path, tar_of, read_all):
    (tmp_path / "docker.tar").write_bytes(tar_of(("manifest.json", b"[]")))

    with pytest.raises(BadInput, match=r"index\.json: No such file"):
        LayoutSource(tmp_path)
    with pytest.raises(BadInput, match="No such file"):
        LayoutArchiveSource(tmp_path / "none")
    with pytest.raises(InvalidArchive) as caught:
        read_all(LayoutArchiveSource(tmp_path / "docker.tar"))
    assert "docker-archive:" in caught.value.hint


def test_a_link_does_not_stand_for_a_blob(tmp_path, tar_of, make_image, layout_of, read_all):
    image = make_image()
    files = layout_of(latest=image)
    config = blob_name(Digest.of(image.config))
    entries = [(name, data) for name, data in files.items() if name != config]
    (tmp_path / "archive").write_bytes(tar_of(*entries, (config, "->", "elsewhere")))

    with pytest.raises(InvalidArchive, match="is missing"):
        read_all(LayoutArchiveSource(tmp_path / "archive"))


def index_json(*entries):
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


def entry(image, **annotations):
    names = {"ref": "org.opencontainers.image.ref.name", "containerd": "io.containerd.image.name"}
    return image.root.descriptor.to_json() | {"annotations": {names[key]: text for key, text in annotations.items()}}


def test_an_image_is_found_by_its_tag_or_its_whole_name(make_image):
    raw = index_json(entry(make_image(), ref="1", containerd="example.com/app:1"), entry(make_image(b"2"), ref="2"))

    by_tag = read_index(raw, "layout", "1")

    assert by_tag == read_index(raw, "layout", "example.com/app:1")
    assert by_tag[0].name == "example.com/app:1"
    with pytest.raises(ReferenceNotFound, match="called 3") as caught:
        read_index(raw, "layout", "3")
    assert caught.value.hint == "it holds: example.com/app:1, 2"


def test_a_name_that_means_several_images_is_refused(make_image):
    raw = index_json(entry(make_image(), ref="1"), entry(make_image(b"2"), ref="1"))

    with pytest.raises(InvalidArchive, match="several images called 1"):
        read_index(raw, "layout", "1")


def test_entries_that_are_no_images_are_passed_over(make_image):
    raw = index_json({"mediaType": "application/xml", "digest": str(Digest.of(b"")), "size": 0}, entry(make_image()))

    assert [image.name for image in read_index(raw, "layout")] == [None]


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("dir", "dir", None),
        ("dir:1", "dir", "1"),
        ("a/b:example.com/x:1", "a/b", "example.com/x:1"),
        ("dir:", "dir", None),
    ],
)
def test_directory_ends_at_the_first_colon(text, path, name):
    assert (str(split_name(text)[0]), split_name(text)[1]) == (path, name)


@pytest.mark.parametrize("name", ["index.json", "blobs", "blobs/sha256", "blobs/sha256/a/b", "other/sha256/x"])
def test_other_names_are_no_blobs(name):
    assert blob_digest(name) is None


def test_blob_names_read_back_and_malformed_ones_are_refused():
    assert blob_digest(blob_name(Digest.of(b"", "sha512"))) == Digest.of(b"", "sha512")
    with pytest.raises(InvalidDigest):
        blob_digest("blobs/sha256/short")
