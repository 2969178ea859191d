import pytest

from p2player.oci.digest import Digest
from p2player.store.rows import Entry, StoredBlob

BLOBS = {Digest.of(data): data for data in (b"one" * 50_000, b"two" * 50_000, b"three")}


@pytest.fixture
def filled(store, bring_in):
    bring_in(store, BLOBS)
    return store


def test_good_blobs_are_reported_and_their_bytes_counted(filled):
    seen = []
    checked = list(filled.verify(seen.append))
    assert {check.digest: check.size for check in checked} == {digest: len(data) for digest, data in BLOBS.items()}
    assert all(check.ok for check in checked)
    assert sum(seen) == sum(map(len, BLOBS.values()))


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"X" + data[1:], lambda data: data + b"\0"])
def test_damaged_blob_goes_to_quarantine_and_out_of_the_catalog(filled, tmp_path, damage):
    victim = next(iter(BLOBS))
    damaged = damage(BLOBS[victim])
    filled.path(victim).write_bytes(damaged)
    bad = [check for check in filled.verify() if not check.ok]
    assert [check.digest for check in bad] == [victim]
    assert "quarantine" in bad[0].reason
    assert filled.get(victim) is None
    assert not filled.path(victim).exists()
    assert (tmp_path / "data" / "quarantine" / f"sha256-{victim.hex}").read_bytes() == damaged


def test_damaged_blob_can_be_fetched_again(filled):
    victim = next(iter(BLOBS))
    filled.path(victim).write_bytes(b"damaged")
    list(filled.verify())
    filled.put(victim, BLOBS[victim])
    assert all(check.ok for check in filled.verify())


def test_a_file_that_the_disk_cannot_read_goes_to_quarantine_and_another_failure_is_none_of_the_blob(filled):
    unreadable, other = list(BLOBS)[:2]
    filled.path(unreadable).unlink()
    filled.path(unreadable).symlink_to("/proc/self/mem")  # gives EIO
    assert [check.digest for check in filled.verify() if not check.ok] == [unreadable]
    assert filled.get(unreadable) is None
    filled.path(other).unlink()
    filled.path(other).mkdir()
    with pytest.raises(IsADirectoryError):
        filled.check(filled.get(other))
    assert filled.get(other) is not None


def test_missing_file_is_dropped_from_the_catalog(filled):
    victim = next(iter(BLOBS))
    filled.path(victim).unlink()
    bad = [check for check in filled.verify() if not check.ok]
    assert [(check.digest, check.reason) for check in bad] == [(victim, "its file is gone")]
    assert filled.get(victim) is None


def test_blob_removed_while_it_was_hashed_is_not_reported(filled):
    victim = next(iter(filled.blobs())).digest
    checked = list(filled.verify(lambda _: filled.get(victim) and filled.remove([victim])))
    assert victim not in {check.digest for check in checked}
    assert all(check.ok for check in checked)


def test_wrong_hash_tree_in_the_catalog_is_put_right(filled):
    blob = filled.blobs()[0]
    true_layer = filled.piece_layer(blob.digest)
    with filled._catalog.change() as change:
        change.add(Entry(StoredBlob(blob.digest, blob.size, b"\xff" * 32, None), b""))
    checked = {check.digest: check for check in filled.verify()}
    assert checked[blob.digest].ok
    assert "put right" in checked[blob.digest].reason
    assert filled.get(blob.digest) == blob
    assert filled.piece_layer(blob.digest) == true_layer


def test_named_image_keeps_its_name_when_its_manifest_is_damaged(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    store.path(image.digest).write_bytes(b"{}")
    list(store.verify())
    assert store.names() == [image.row()]
    store.put(image.digest, image.document.raw)
    assert store.document(image.digest) == image.document
