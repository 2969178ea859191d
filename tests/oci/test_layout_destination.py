import json

import pytest

from p2player.errors import BadInput, DiskFull, InvalidArchive
from p2player.oci.layout import LayoutArchiveSource, LayoutSource, blob_name
from p2player.oci.layout_destination import LayoutArchiveDestination, LayoutDestination
from p2player.oci.platform import Platform

NAME = "docker.io/library/app:1"


def names(path):
    return [entry.get("annotations") for entry in json.loads((path / "index.json").read_bytes())["manifests"]]


def test_images_already_there_stay(tmp_path, make_image, write_all, read_all):
    one, two = make_image(b"1", b"shared"), make_image(b"2", b"shared")
    write_all(LayoutDestination(tmp_path), one, "one")
    write_all(LayoutDestination(tmp_path), two, "two")

    images, blobs = read_all(LayoutSource(tmp_path))

    assert [image.name for image in images] == ["one", "two"]
    assert blobs == one.blobs | two.blobs


def test_blobs_already_there_are_not_wanted_unless_their_size_is_wrong(tmp_path, make_image, write_all):
    image = make_image()
    write_all(LayoutDestination(tmp_path), image, "one")
    config, *layers = image.root.children
    (tmp_path / blob_name(config.digest)).write_bytes(b"cut")
    destination = LayoutDestination(tmp_path)

    assert destination.wants(config)
    assert not any(map(destination.wants, layers))
    destination.discard()


def test_a_name_moves_to_the_new_image(tmp_path, make_image, write_all, read_all):
    write_all(LayoutDestination(tmp_path), make_image(b"1"), "app")
    newer = make_image(b"2")
    write_all(LayoutDestination(tmp_path), newer, "app")

    assert read_all(LayoutSource(tmp_path))[1] == newer.blobs


def test_an_unnamed_image_is_listed_once(tmp_path, make_image, write_all):
    for image in (make_image(b"1"), make_image(b"2"), make_image(b"1")):
        write_all(LayoutDestination(tmp_path), image)

    assert names(tmp_path) == [None, None]


def test_the_directorys_own_name_goes_first(tmp_path, make_image, write_all, read_all):
    write_all(LayoutDestination(tmp_path, "mine"), make_image(), "theirs")

    assert [image.name for image in read_all(LayoutSource(tmp_path))[0]] == ["mine"]


def test_members_of_the_index_that_are_unknown_here_stay(tmp_path, make_image, write_all):
    write_all(LayoutDestination(tmp_path), make_image(b"1"), "one")
    index = json.loads((tmp_path / "index.json").read_bytes())
    index["manifests"][0] |= {"x-other": [1], "annotations": []}
    (tmp_path / "index.json").write_text(json.dumps(index))

    write_all(LayoutDestination(tmp_path), make_image(b"2"), "two")

    assert json.loads((tmp_path / "index.json").read_bytes())["manifests"][0] == index["manifests"][0]


def test_discarding_leaves_an_older_layout_as_it_was(tmp_path, make_image, write_all):
    write_all(LayoutDestination(tmp_path), make_image(b"1"), "one")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    image = make_image(b"2")
    destination = LayoutDestination(tmp_path)
    destination.begin("two", image.root, image.documents)

    destination.discard()

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_commit_that_fails_can_still_be_discarded(tmp_path, make_image, write_all, monkeypatch):
    write_all(LayoutDestination(tmp_path), make_image(b"1"), "one")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    destination = LayoutDestination(tmp_path)

    def full(*_):
        raise OSError(28, "No space left")

    monkeypatch.setattr("p2player.oci.layout_destination.write_file", full)

    with pytest.raises(DiskFull):
        write_all(destination, make_image(b"2"), "two")
    destination.discard()

    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_empty_directory_may_become_a_layout(tmp_path, make_image, write_all):
    write_all(LayoutDestination(tmp_path), make_image(), "one")

    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_directory_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BadInput, match="no image layout, and not empty"):
        LayoutDestination(tmp_path)
    with pytest.raises(BadInput, match="cannot write to"):
        LayoutDestination(tmp_path / "thesis.txt")

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("index", [b"", b"[]", b"{}", b'{"manifests":[1]}'])
def test_a_damaged_layout_is_refused(tmp_path, index):
    (tmp_path / "index.json").write_bytes(index)

    with pytest.raises(InvalidArchive):
        LayoutDestination(tmp_path)


def test_an_archive_holds_several_platforms(tmp_path, make_image, index_of, write_all, read_all):
    whole = index_of(
        (Platform("linux", "amd64"), make_image(b"1")), (Platform("linux", "arm64"), make_image(b"2", arch="arm64"))
    )

    write_all(LayoutArchiveDestination(tmp_path / "archive"), whole, NAME)

    images, blobs = read_all(LayoutArchiveSource(tmp_path / "archive"))
    assert images[0].descriptor == whole.root.descriptor
    assert blobs == whole.blobs
