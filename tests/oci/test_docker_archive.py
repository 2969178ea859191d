import gzip
import io
import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import DigestMismatch, InvalidArchive, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.manifest import Document
from p2player.oci.mediatypes import OCI_LAYER
from p2player.oci.platform import Platform


@pytest.fixture
def read_archive(tar_of, read_all):
    def read(*entries):
        return read_all(DockerArchiveSource("archive", io.BytesIO(tar_of(*entries))))

    return read


def replaced(entries, name, data):
    assert any(entry[0] == name for entry in entries)
    return [(name, data) if entry[0] == name else entry for entry in entries]


def without(entries, name):
    assert any(entry[0] == name for entry in entries)
    return [entry for entry in entries if entry[0] != name]


def test_image_of_the_old_form_gets_a_manifest(make_image, docker_save, read_archive):
    image = make_image()

    images, blobs = read_archive(*docker_save(image, "app:1"))

    assert blobs == image.blobs
    assert [each.name for each in images] == ["app:1"]
    assert images[0].descriptor.digest == image.root.digest
    assert images[0].descriptor.platform == Platform("linux", "amd64")


def test_manifest_json_may_come_first(make_image, docker_save, read_archive):
    entries = docker_save(make_image(), "app:1")

    assert read_archive(*reversed(entries)) == read_archive(*entries)


def test_repeated_layers_may_be_links(make_image, docker_save, read_archive):
    image = make_image(b"same", b"other", b"same")
    image.diffs[2] = image.diffs[0]
    diff_ids = [str(Digest.of(diff)) for diff in image.diffs]
    image.config = json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode()

    images, blobs = read_archive(*docker_save(image))

    layers = Document.parse(blobs[images[0].descriptor.digest]).content.layers
    assert [str(layer.digest) for layer in layers] == diff_ids
    assert images[0].name is None
    assert images[0].descriptor.platform is None


def test_each_tag_is_an_image(make_image, docker_save, read_archive):
    images, _ = read_archive(*docker_save(make_image(), "app:1", "example.com/app:2"))

    assert [image.name for image in images] == ["app:1", "example.com/app:2"]
    assert len({image.descriptor for image in images}) == 1


def test_several_images_share_an_archive(make_image, docker_save, read_archive):
    one, two = make_image(b"1"), make_image(b"2")
    entries = docker_save(one, "one:1")
    names = [f"{Digest.of(two.config).hex}.json", f"{'f' * 64}/layer.tar"]
    both = json.loads(dict(entry[:2] for entry in entries)["manifest.json"])
    both.append({"Config": names[0], "RepoTags": ["two:1"], "Layers": [names[1]]})
    entries = replaced(entries, "manifest.json", json.dumps(both).encode())

    images, blobs = read_archive((names[0], two.config), (names[1], two.diffs[0]), *entries)

    assert {image.name: image.descriptor.digest for image in images} == {
        "one:1": one.root.digest,
        "two:1": two.root.digest,
    }
    assert blobs == one.blobs | two.blobs


@pytest.mark.parametrize(
    ("compress", "suffix"),
    [(lambda data: gzip.compress(data, mtime=0), "+gzip"), (zstandard.ZstdCompressor().compress, "+zstd")],
)
def test_compressed_layers_stay_compressed_and_are_checked_uncompressed(make_image, read_archive, compress, suffix):
    image = make_image(compression=suffix, compress=compress)
    config = str(Digest.of(image.config))
    layers = [(f"{Digest.of(compress(diff)).hex}.tar.gz", compress(diff)) for diff in image.diffs]
    manifest = [{"Config": config, "RepoTags": ["app:1"], "Layers": [name for name, _ in layers]}]

    images, blobs = read_archive((config, image.config), *layers, ("manifest.json", json.dumps(manifest).encode()))

    assert blobs == image.blobs
    assert Document.parse(blobs[images[0].descriptor.digest]).content.layers[0].media_type == OCI_LAYER + suffix


def test_image_of_the_new_form_keeps_its_manifest(make_image, docker_save, layout_of, read_archive):
    image = make_image(compression="+gzip")
    files = layout_of(latest=image) | {"manifest.json": b"[]", "repositories": b"{}"}

    images, blobs = read_archive(*files.items())

    assert blobs == image.blobs
    assert [each.descriptor for each in images] == [image.root.descriptor]


def test_archive_may_be_in_gzip_as_a_whole(tmp_path, tar_of, make_image, docker_save, read_all):
    image = make_image()
    (tmp_path / "app.tar.gz").write_bytes(gzip.compress(tar_of(*docker_save(image, "app:1"))))

    assert read_all(DockerArchiveSource.open(tmp_path / "app.tar.gz"))[1] == image.blobs


def test_a_layer_that_is_not_the_configs_is_refused(make_image, docker_save, tar_of, read_archive):
    entries = replaced(docker_save(make_image()), f"{1:064x}/layer.tar", tar_of(("other", b"")))

    with pytest.raises(DigestMismatch, match="the config says"):
        read_archive(*entries)


def test_a_config_that_is_not_what_its_name_says_is_refused(make_image, docker_save, read_archive):
    image = make_image()

    with pytest.raises(DigestMismatch):
        read_archive(*replaced(docker_save(image), f"{Digest.of(image.config).hex}.json", b'{"os":"linux"}'))


@pytest.mark.parametrize("name", [f"{0:064x}/layer.tar", "config", "manifest.json"])
def test_any_missing_part_is_refused(make_image, docker_save, read_archive, name):
    image = make_image()
    name = f"{Digest.of(image.config).hex}.json" if name == "config" else name

    with pytest.raises(InvalidArchive, match="has no"):
        read_archive(*without(docker_save(image), name))


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"[1]",
        b"[{}]",
        b'[{"Config":1}]',
        b'[{"Config":"none"}]',
        b'[{"Config":"layer"}]',
        b'[{"Config":"empty","Layers":["layer"]}]',
        b'[{"Config":"empty","Layers":["../x"]}]',
    ],
)
def test_a_malformed_manifest_json_is_refused(read_archive, manifest):
    with pytest.raises(InvalidArchive):
        read_archive(("layer", b"x"), ("empty", b"{}"), ("manifest.json", manifest))


def test_links_in_a_circle_are_refused(read_archive):
    manifest = b'[{"Config":"a","Layers":[]}]'

    with pytest.raises(InvalidArchive, match="leads nowhere"):
        read_archive(("a", "->", "b"), ("b", "->", "a"), ("manifest.json", manifest))


def test_a_layer_that_is_cut_off_inside_its_gzip_is_refused(make_image, docker_save, read_archive):
    image = make_image()
    cut = gzip.compress(image.diffs[0])[:-5]

    with pytest.raises(InvalidArchive, match="cut off"):
        read_archive(*replaced(docker_save(image), f"{0:064x}/layer.tar", cut))


def test_what_is_left_unread_is_still_checked(tar_of, make_image, docker_save):
    with DockerArchiveSource("archive", io.BytesIO(tar_of(*docker_save(make_image(), "app:1")))) as source:
        for _ in source.blobs():
            pass
        assert [image.name for image in source.images()] == ["app:1"]


@given(st.lists(st.tuples(st.integers(0, 9000), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))
def test_any_damage_fails_the_pass_or_harms_no_image(tar_of, make_image, docker_save, read_all, damages):
    image = make_image(b"1", b"2")
    data = bytearray(tar_of(*docker_save(image, "app:1")))
    for position, junk in damages:
        data[position : position + len(junk)] = junk
    try:
        images, blobs = read_all(DockerArchiveSource("archive", io.BytesIO(bytes(data))))
    except P2PlayerError:
        return
    for each in images:
        document = Document.parse(blobs[each.descriptor.digest])
        assert all(child.digest.matches(blobs[child.digest]) for child in document.children)
