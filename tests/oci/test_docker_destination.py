import gzip
import io
import json
import tarfile
from dataclasses import replace

import pytest
import zstandard

from p2player.errors import BadInput, DigestMismatch
from p2player.oci.digest import Digest
from p2player.oci.docker_destination import DockerArchiveDestination
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_EMPTY, OCI_LAYER
from p2player.oci.platform import Platform

NAME = "docker.io/library/app:1"
CONFIG = Descriptor(OCI_CONFIG, Digest.of(b"{}"), 2)
LAYER = Descriptor(OCI_LAYER, Digest.of(b""), 0)


@pytest.fixture
def destination(tmp_path):
    made = DockerArchiveDestination(tmp_path / "archive")
    yield made
    made.discard()


def members(tmp_path):
    with tarfile.open(tmp_path / "archive") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_layers_lie_uncompressed_in_the_order_of_the_config(tmp_path, destination, make_image, write_all, compress):
    image = make_image(b"1", b"2" * 100_000, compress=compress)

    write_all(destination, image, NAME)

    files = members(tmp_path)
    (entry,) = json.loads(files["manifest.json"])
    assert [files[name] for name in entry["Layers"]] == image.diffs
    assert files[entry["Config"]] == image.config
    assert entry["Config"] == f"{Digest.of(image.config).hex}.json"
    assert entry["RepoTags"] == [NAME]


def test_a_layer_that_occurs_twice_is_written_once(tmp_path, destination, make_image, write_all):
    image = make_image(b"same")
    layer = image.root.content.layers[0]
    image.config = json.dumps({"rootfs": {"diff_ids": [str(layer.digest)] * 2}}).encode()
    config = Descriptor(OCI_CONFIG, image.put(image.config), len(image.config))
    image.root = Document.of_image(config, (layer, layer))

    write_all(destination, image, NAME, [image.root])

    names = json.loads(members(tmp_path)["manifest.json"])[0]["Layers"]
    assert len(names) == 2
    assert len(set(names)) == 1


@pytest.mark.parametrize(
    ("name", "tags"),
    [(None, []), (f"app@{Digest.of(b'')}", []), ("app:1", [NAME]), ("ghcr.io/org/app", ["ghcr.io/org/app:latest"])],
)
def test_only_a_tag_names_the_image(tmp_path, destination, make_image, write_all, name, tags):
    write_all(destination, make_image(), name)

    assert json.loads(members(tmp_path)["manifest.json"])[0]["RepoTags"] == tags


def test_layers_that_are_not_the_configs_are_refused(tmp_path, destination, make_image, write_all):
    image = make_image(b"1", b"2")
    config, layers = image.root.content.config, image.root.content.layers
    swapped = Document.of_image(config, layers[::-1])
    image.root = swapped

    with pytest.raises(DigestMismatch, match="other content"):
        write_all(destination, image, NAME, [swapped])
    destination.discard()

    assert list(tmp_path.iterdir()) == []


def test_of_an_index_the_one_platform_that_is_given_is_written(tmp_path, destination, make_image, index_of, write_all):
    image = make_image(b"1")
    whole = index_of((Platform("linux", "amd64"), image), (Platform("linux", "arm64"), make_image(b"2", arch="arm64")))

    write_all(destination, whole, NAME, [whole.root, image.root])

    assert f"{Digest.of(image.config).hex}.json" in members(tmp_path)


def test_two_platforms_or_none_are_refused(destination, make_image, index_of):
    whole = index_of((Platform("linux", "amd64"), make_image(b"1")), (Platform("linux", "arm64"), make_image(b"2")))

    for documents in (whole.documents, [whole.root]):
        with pytest.raises(BadInput, match="one platform's image") as caught:
            destination.begin(NAME, whole.root, documents)
        assert "oci-archive:FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("config", "layer"),
    [
        (replace(CONFIG, media_type=OCI_EMPTY), LAYER),
        (replace(CONFIG, size=100_000_000), LAYER),
        (CONFIG, replace(LAYER, media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
    ],
)
def test_what_docker_could_not_load_is_refused(destination, config, layer):
    with pytest.raises(BadInput):
        destination.begin(NAME, Document.of_image(config, (layer,)), ())


def test_blobs_of_other_images_are_not_wanted(destination, make_image):
    image = make_image()
    destination.begin(NAME, image.root, ())

    assert destination.wants(image.root.content.config)
    assert not destination.wants(LAYER)
    assert not destination.wants(image.root.descriptor)


def test_a_config_that_was_wrong_leaves_no_trace(tmp_path, destination, make_image, write_all):
    image = make_image()
    destination.begin(NAME, image.root, ())
    config = image.root.content.config
    with pytest.raises(DigestMismatch), destination.writer(config) as writer:
        writer.write(b"x" * config.size)

    write_all(destination, image, NAME)

    assert members(tmp_path)[f"{config.digest.hex}.json"] == image.config


def test_nothing_but_a_tar_is_written(tmp_path, destination, make_image, write_all):
    write_all(destination, make_image(), NAME)

    assert tarfile.is_tarfile(io.BytesIO((tmp_path / "archive").read_bytes()))
