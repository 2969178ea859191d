import json

import pytest

from p2player.errors import DiskFull, StoreDamaged
from p2player.oci.digest import Digest
from p2player.store.origins import SEEDED, Origin, OriginsFile

OPEN = "docker.io/library/x"
CLOSED = "registry.corp/team/x"


@pytest.fixture
def keep():
    """Take in blobs one by one, as a pull does."""

    def run(store, blobs):
        for digest, data in blobs.items():
            store.put(digest, data)

    return run


def private(store, blobs):
    return {digest for digest in blobs if store.is_private(digest)}


def test_what_has_no_origin_is_not_private(store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    assert private(store, image.blobs) == set()
    assert store.origins(image.digest) == []


def test_private_manifest_makes_what_it_needs_private(store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    assert store.add_origin(image.digest, CLOSED, private=True) == set(image.blobs)
    assert private(store, image.blobs) == set(image.blobs)
    assert store.origins(image.layers[0]) == [(CLOSED, True)]


def test_what_comes_before_its_manifest_or_after_it_is_private_too(store, make_image, keep):
    image = make_image(1)
    *parts, manifest = image.blobs.items()
    keep(store, dict(parts[:1]))
    store.add_origin(image.digest, CLOSED, private=True)
    keep(store, dict([manifest]))
    assert private(store, image.blobs) == set(image.blobs)
    keep(store, dict(parts[1:]))
    assert private(store, image.blobs) == set(image.blobs)


def test_private_index_reaches_the_layers_of_its_manifests(store, make_image, make_index, keep):
    images = make_image(1), make_image(2)
    index = make_index(*images)
    store.add_origin(index.digest, CLOSED, private=True)
    keep(store, {index.digest: index.raw})
    assert private(store, images[0].blobs) == {images[0].digest}
    keep(store, images[0].blobs)
    assert private(store, images[0].blobs) == set(images[0].blobs)
    assert private(store, images[1].blobs) >= {images[1].digest}
    assert not private(store, images[1].layers[1:])


def test_one_public_origin_is_enough(store, make_image, keep):
    image = make_image(1)
    layer = image.layers[0]
    keep(store, image.blobs)
    store.add_origin(image.digest, CLOSED, private=True)
    assert store.add_origin(layer, OPEN, private=False) == {layer}
    assert not store.is_private(layer)
    assert store.add_origin(layer, OPEN, private=False) == set()
    assert store.add_origin(layer, "registry.corp/other", private=True) == set()
    assert store.is_private(image.digest)


def test_public_manifest_does_not_open_what_it_names(store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.layers[0], CLOSED, private=True)
    assert store.add_origin(image.digest, OPEN, private=False) == set()
    assert private(store, image.blobs) == {image.layers[0]}


def test_repository_that_closes_takes_its_manifest_along(store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.digest, OPEN, private=False)
    assert image.digest in store.add_origin(image.digest, OPEN, private=True)
    assert store.is_private(image.digest)


def test_private_repositories_are_those_with_a_private_digest(store):
    assert store.private_repositories() == frozenset()
    store.add_origin(Digest.of(b"1"), CLOSED, private=True)
    store.add_origin(Digest.of(b"1"), OPEN, private=False)
    assert store.private_repositories() == {CLOSED}


def test_seeding_by_hand_opens_all_of_an_image(store, make_image, keep, bring_in):
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.digest, CLOSED, private=True)
    with store.begin_import() as importing:
        assert importing.commit([image.row()]) == set(image.blobs)
    assert private(store, image.blobs) == set()


def test_base_of_a_seeded_image_stays_open_when_a_private_image_shares_it(store, make_image, keep, bring_in):
    seeded, closed = make_image(1), make_image(2)
    bring_in(store, seeded.blobs, seeded.row())
    keep(store, closed.blobs)
    store.add_origin(closed.digest, CLOSED, private=True)
    assert private(store, seeded.blobs) == set()
    assert private(store, closed.blobs) == set(closed.blobs) - {closed.layers[0]}


def test_what_was_seeded_and_removed_counts_as_seeded_no_more(store, make_image, keep, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    store.remove_image("docker.io/library/x", "1")
    store.add_origin(image.digest, CLOSED, private=True)
    keep(store, image.blobs)
    assert private(store, image.blobs) == set(image.blobs)


def test_removed_private_blob_is_still_private_when_it_comes_back(store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.digest, CLOSED, private=True)
    store.remove([image.layers[0]])
    keep(store, image.blobs)
    assert private(store, image.blobs) == set(image.blobs)


def test_origins_of_what_is_gone_are_forgotten_at_the_next_start(open_store, make_image, keep):
    store = open_store()
    image = make_image(1)
    keep(store, dict(list(image.blobs.items())[1:]))
    store.add_origin(image.digest, CLOSED, private=True)
    store.add_origin(Digest.of(b"elsewhere"), CLOSED, private=True)
    store.close()
    again = open_store()
    assert not again.is_private(Digest.of(b"elsewhere"))
    assert private(again, image.blobs) == set(image.blobs)


def test_privacy_outlives_the_catalog(open_store, make_image, keep, bring_in, tmp_path):
    store = open_store()
    plain, closed, opened = make_image(1), make_image(2), make_image(3)
    for image in (plain, closed, opened):
        keep(store, image.blobs)
    store.add_origin(closed.digest, CLOSED, private=True)
    store.add_origin(closed.layers[0], OPEN, private=False)
    store.add_origin(opened.digest, CLOSED, private=True)
    for digest in opened.blobs:
        store.add_origin(digest, OPEN, private=False)
    every = plain.blobs | closed.blobs | opened.blobs
    before = private(store, every)
    assert before == set(closed.blobs) - {closed.layers[0]}
    store.close()
    (tmp_path / "data" / "catalog.db").unlink()
    again = open_store()
    assert private(again, every) == before
    assert again.origins(closed.layers[0]) == [(OPEN, False), (CLOSED, True)]


def test_privacy_that_cannot_be_written_down_is_an_error_and_not_forgotten(store, monkeypatch):
    def full(self, origins):
        raise DiskFull("no space left")

    monkeypatch.setattr(OriginsFile, "write", full)
    with pytest.raises(DiskFull):
        store.add_origin(Digest.of(b"1"), CLOSED, private=True)
    assert store.origins(Digest.of(b"1")) == []


def test_lost_catalog_with_unreadable_origins_is_not_opened(open_store, tmp_path):
    store = open_store()
    store.add_origin(Digest.of(b"1"), CLOSED, private=True)
    store.close()
    (tmp_path / "data" / "store" / "origins.json").write_text("{")
    (tmp_path / "data" / "catalog.db").unlink()
    with pytest.raises(StoreDamaged, match="private"):
        open_store()
    with pytest.raises(StoreDamaged, match="private"):
        open_store()


def test_unreadable_origins_are_written_again_from_a_catalog_that_is_there(open_store, tmp_path, make_image, keep):
    store = open_store()
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.digest, CLOSED, private=True)
    store.close()
    listed = tmp_path / "data" / "store" / "origins.json"
    before = listed.read_bytes()
    listed.write_text("{")
    open_store()
    assert listed.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"origins": {}}',
        '{"origins": [{"digest": "sha256:1", "private": []}]}',
        '{"origins": [{"private": ["x"]}]}',
        json.dumps({"origins": [{"digest": str(Digest.of(b"")), "private": "x"}]}),
    ],
)
def test_file_that_makes_no_sense_is_damage(tmp_path, text):
    path = tmp_path / "origins.json"
    path.write_text(text)
    with pytest.raises(StoreDamaged):
        OriginsFile(path).read()


def test_file_says_what_was_written(tmp_path):
    file = OriginsFile(tmp_path / "origins.json")
    assert file.read() == []
    known = [
        Origin(Digest.of(b"1"), CLOSED, private=True),
        Origin(Digest.of(b"1"), SEEDED, private=False),
        Origin(Digest.of(b"2"), CLOSED, private=True),
    ]
    file.write(known)
    assert set(file.read()) == set(known)
    file.write([])
    assert file.read() == []


def test_nothing_private_leaves_no_file(tmp_path, store, make_image, keep):
    image = make_image(1)
    keep(store, image.blobs)
    store.add_origin(image.digest, OPEN, private=False)
    assert not (tmp_path / "data" / "store" / "origins.json").exists()
