import pytest

from p2player.errors import BadInput, DigestMismatch
from p2player.oci.destination import open_destination
from p2player.oci.digest import Digest
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.layout import LayoutArchiveSource, LayoutSource
from p2player.oci.manifest import Descriptor

SOURCES = {"oci": LayoutSource, "oci-archive": LayoutArchiveSource, "docker-archive": DockerArchiveSource.open}
NAME = "docker.io/library/app:1"


@pytest.fixture(params=SOURCES)
def kind(request):
    return request.param


def test_an_image_that_is_written_reads_back(tmp_path, kind, make_image, write_all, read_all):
    image = make_image()

    write_all(open_destination(f"{kind}:{tmp_path}/image"), image, NAME)

    images, blobs = read_all(SOURCES[kind](tmp_path / "image"))
    assert blobs == image.blobs
    assert [(each.name, each.descriptor.digest) for each in images] == [(NAME, image.root.digest)]


def test_an_image_without_a_name_reads_back_without_one(tmp_path, kind, make_image, write_all, read_all):
    write_all(open_destination(f"{kind}:{tmp_path}/image"), make_image())

    assert [each.name for each in read_all(SOURCES[kind](tmp_path / "image"))[0]] == [None]


def test_nothing_is_left_behind_that_is_discarded(tmp_path, kind, make_image):
    image = make_image()
    destination = open_destination(f"{kind}:{tmp_path}/image")
    destination.begin(NAME, image.root, image.documents)
    config = image.root.content.config
    with destination.writer(config) as writer:
        writer.write(image.config)

    destination.discard()

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_there_before_the_commit(tmp_path, kind, make_image):
    image = make_image()
    destination = open_destination(f"{kind}:{tmp_path}/image")
    destination.begin(NAME, image.root, image.documents)

    assert not (tmp_path / "image").is_file()
    assert not (tmp_path / "image" / "index.json").exists()
    destination.discard()


def test_discarding_after_the_commit_takes_nothing_back(tmp_path, kind, make_image, write_all, read_all):
    destination = open_destination(f"{kind}:{tmp_path}/image")
    write_all(destination, make_image(), NAME)

    destination.discard()

    assert len(read_all(SOURCES[kind](tmp_path / "image"))[0]) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "image"]


def test_a_blob_that_was_wrong_can_be_written_again(tmp_path, kind, make_image, write_all, read_all):
    image = make_image()
    destination = open_destination(f"{kind}:{tmp_path}/image")
    destination.begin(NAME, image.root, image.documents)
    layer = image.root.content.layers[0]
    with pytest.raises(DigestMismatch), destination.writer(layer) as writer:
        writer.write(b"x" * layer.size)
    assert destination.wants(layer)

    for child in image.root.children:
        with destination.writer(child) as writer:
            writer.write(image.blobs[child.digest])
        assert not destination.wants(child)
    destination.commit()

    assert read_all(SOURCES[kind](tmp_path / "image"))[1] == image.blobs


def test_the_same_image_gives_the_same_archive(tmp_path, make_image, write_all):
    for kind in ("oci-archive", "docker-archive"):
        write_all(open_destination(f"{kind}:{tmp_path}/1"), make_image(), NAME)
        write_all(open_destination(f"{kind}:{tmp_path}/2"), make_image(), NAME)

        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_bare_blob_becomes_a_file(tmp_path):
    destination = open_destination(f"{tmp_path}/blob")
    descriptor = Descriptor("application/octet-stream", Digest.of(b"content"), 7)
    assert not destination.holds_images
    with pytest.raises(DigestMismatch), destination.writer(descriptor) as writer:
        writer.write(b"CONTENT")
    assert destination.wants(descriptor)
    with destination.writer(descriptor) as writer:
        writer.write(b"content")
    assert not destination.wants(descriptor)
    assert not (tmp_path / "blob").exists()

    destination.commit()

    assert (tmp_path / "blob").read_bytes() == b"content"


def test_an_image_does_not_fit_in_a_plain_file(tmp_path, make_image):
    destination = open_destination(f"{tmp_path}/file")
    with pytest.raises(BadInput, match="no place for an image"):
        destination.begin(NAME, make_image().root, ())
    destination.discard()

    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_refused_at_once(tmp_path, kind):
    with pytest.raises(BadInput, match="cannot write"):
        open_destination(f"{kind}:{tmp_path}/none/image")
