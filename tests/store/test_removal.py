import pytest

from p2player.errors import BadInput, BlobNotFound, ReferenceNotFound
from p2player.oci.digest import Digest

SCOPE = "docker.io/library/x"


@pytest.fixture
def two_images(store, make_image, bring_in):
    first, second = make_image(1), make_image(2)
    bring_in(store, first.blobs, first.row("1"))
    bring_in(store, second.blobs, second.row("2"))
    return first, second


def test_removed_image_takes_what_only_it_needs(store, two_images, tmp_path, files):
    first, second = two_images
    removed = store.remove_image(SCOPE, "1")
    assert set(removed.blobs) == set(first.blobs) - set(second.blobs)
    assert removed.bytes == sum(len(first.blobs[digest]) for digest in removed.blobs)
    assert files(tmp_path / "data") == {blob.digest for blob in store.blobs()} == set(second.blobs)
    assert [row.name for row in store.names()] == ["2"]


def test_last_image_takes_all(store, two_images, tmp_path, files):
    store.remove_image(SCOPE, "1")
    store.remove_image(SCOPE, "2")
    assert store.blobs() == store.names() == []
    assert files(tmp_path / "data") == set()


def test_image_with_another_name_stays(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row("1"), image.row("latest"))
    assert store.remove_image(SCOPE, "1").blobs == ()
    assert len(store.blobs()) == len(image.blobs)


def test_layer_that_is_pinned_stays(store, make_image, bring_in):
    image = make_image(1)
    layer = image.layers[0]
    bring_in(store, {layer: image.blobs[layer]})
    bring_in(store, image.blobs, image.row())
    store.remove_image(SCOPE, "1")
    assert [blob.digest for blob in store.blobs()] == [layer]


def test_unrelated_cached_blob_stays(store, two_images):
    store.put(Digest.of(b"cached"), b"cached")
    store.remove_image(SCOPE, "1")
    assert store.get(Digest.of(b"cached"))


def test_referrers_go_with_their_subject(store, make_image, make_referrer, bring_in):
    image = make_image(1)
    note = make_referrer(image.document.descriptor, "signed")
    bring_in(store, image.blobs | note.blobs, image.row())
    assert set(store.remove_image(SCOPE, "1").blobs) == set(image.blobs) | set(note.blobs)


def test_image_that_is_not_here_is_said(store):
    with pytest.raises(ReferenceNotFound):
        store.remove_image(SCOPE, "1")


def test_blob_of_an_image_is_refused_with_the_name(store, two_images):
    first, _ = two_images
    with pytest.raises(BadInput, match=f"{SCOPE}:1"):
        store.remove_blob(first.layers[1])
    assert store.get(first.layers[1])


def test_blob_of_a_pinned_manifest_is_refused(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs)
    with pytest.raises(BadInput, match=str(image.digest)):
        store.remove_blob(image.layers[0])


def test_bare_blob_is_removed_with_its_pin(store, bring_in):
    digest = Digest.of(b"file")
    bring_in(store, {digest: b"file"})
    removed = store.remove_blob(digest)
    assert (removed.blobs, removed.bytes) == ((digest,), 4)
    assert store._catalog.pins() == []
    assert not store.path(digest).exists()


def test_image_without_a_name_is_removed_by_its_digest(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs)
    assert set(store.remove_blob(image.digest).blobs) == set(image.blobs)


def test_blob_that_is_not_here_is_said(store):
    with pytest.raises(BlobNotFound):
        store.remove_blob(Digest.of(b"absent"))


def test_open_reader_keeps_a_removed_file(store, bring_in):
    digest = Digest.of(b"file")
    bring_in(store, {digest: b"file"})
    with store.path(digest).open("rb") as file:
        store.remove_blob(digest)
        assert file.read() == b"file"


def test_eviction_takes_exactly_what_it_is_told(store, two_images):
    first, _ = two_images
    store.remove([first.layers[1]])
    assert store.get(first.layers[1]) is None
    assert store.document(first.digest) == first.document
    assert len(store.names()) == 2


def test_removed_blob_can_come_back(store, bring_in):
    digest = Digest.of(b"file")
    for _ in range(2):
        bring_in(store, {digest: b"file"})
        assert store.path(digest).read_bytes() == b"file"
        store.remove_blob(digest)
