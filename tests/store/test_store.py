import hashlib
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2player.errors import BlobNotFound, DigestMismatch, DiskFull, StorageError, StoreLocked
from p2player.oci.digest import Digest
from p2player.store.hashing import BlobHasher
from p2player.store.merkle import MerkleTree
from p2player.store.rows import StoredBlob
from p2player.store.store import Store

DATA = b"layer " * 50_000
DIGEST = Digest.of(DATA)


def tree_of(data, algorithm="sha256"):
    hasher = BlobHasher(algorithm)
    hasher.update(data)
    return hasher.finish()[1]


def adopt(store, data=DATA):
    staged = store.stage(Digest.of(data), len(data))
    staged.path.write_bytes(data)
    blob = store.adopt(staged, tree_of(data))
    staged.discard()
    return blob


def test_new_store_is_an_empty_oci_layout(store, tmp_path):
    layout = tmp_path / "data" / "store"
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((layout / "index.json").read_text())["manifests"] == []
    assert store.blobs() == []


def test_second_process_is_told_who_has_the_directory(store, tmp_path):
    with pytest.raises(StoreLocked, match=f"pid {os.getpid()}"):
        Store.open(tmp_path / "data")


def test_directory_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be used") as caught:
        Store.open(tmp_path / "file" / "data")
    assert "--data-dir" in caught.value.hint


def test_directory_can_be_opened_again_after_close(open_store):
    open_store().close()
    open_store()


def test_put_keeps_a_blob_with_its_tree(store):
    blob = store.put(DIGEST, DATA)
    tree = tree_of(DATA)
    assert blob == store.get(DIGEST) == StoredBlob(DIGEST, len(DATA), tree.root, None)
    assert store.piece_layer(DIGEST) == tree.piece_layer != b""
    assert store.path(DIGEST).read_bytes() == DATA


def test_put_again_changes_nothing(store):
    assert store.put(DIGEST, DATA) == store.put(DIGEST, DATA)
    assert len(store.blobs()) == 1


def test_put_refuses_other_bytes_and_keeps_none_of_them(store, tmp_path, files):
    with pytest.raises(DigestMismatch):
        store.put(DIGEST, DATA + b"!")
    assert store.get(DIGEST) is None
    assert files(tmp_path / "data") == set()
    assert list((tmp_path / "data" / "staging").iterdir()) == []


def test_empty_blob_is_kept(store):
    assert store.put(Digest.of(b""), b"").root == b""
    assert store.piece_layer(Digest.of(b"")) == b""


def test_sha512_blob_is_kept_under_its_own_algorithm(store):
    digest = Digest.of(DATA, "sha512")
    store.put(digest, DATA)
    assert store.path(digest).parts[-2:] == ("sha512", hashlib.sha512(DATA).hexdigest())


def test_unknown_blob_has_no_piece_layer(store):
    with pytest.raises(BlobNotFound):
        store.piece_layer(DIGEST)


def test_manifest_put_is_known_by_its_media_type_and_read_back(store, make_image):
    image = make_image(1)
    blob = store.put(image.digest, image.document.raw)
    assert blob.media_type == image.document.media_type
    assert store.document(image.digest) == image.document


def test_layer_is_no_document(store):
    store.put(DIGEST, DATA)
    assert store.document(DIGEST) is None
    assert store.document(Digest.of(b"absent")) is None


def test_damaged_manifest_is_taken_out_rather_than_returned(store, make_image, tmp_path):
    image = make_image(1)
    store.put(image.digest, image.document.raw)
    store.path(image.digest).write_bytes(image.document.raw.replace(b"config", b"CONFIG"))
    assert store.document(image.digest) is None
    assert store.get(image.digest) is None
    assert [path.name for path in (tmp_path / "data" / "quarantine").iterdir()] == [f"sha256-{image.digest.hex}"]


def test_manifest_whose_file_vanished_is_forgotten(store, make_image):
    image = make_image(1)
    store.put(image.digest, image.document.raw)
    store.path(image.digest).unlink()
    assert store.document(image.digest) is None
    assert store.get(image.digest) is None
    assert store.put(image.digest, image.document.raw)
    assert store.document(image.digest) == image.document


def test_adopted_file_stays_usable_where_it_was_staged(store):
    staged = store.stage(DIGEST, len(DATA))
    staged.path.write_bytes(DATA)
    with staged.path.open("rb") as still_open:
        store.adopt(staged, tree_of(DATA))
        assert staged.path.samefile(store.path(DIGEST))
        staged.discard()
        assert still_open.read() == DATA
    assert not staged.path.exists()
    assert store.path(DIGEST).read_bytes() == DATA


def test_adopting_what_is_here_already_is_fine(store):
    assert adopt(store) == adopt(store)


def test_adopt_refuses_a_file_that_is_not_all_written(store):
    staged = store.stage(DIGEST, len(DATA))
    staged.path.write_bytes(DATA[:-1])
    with pytest.raises(DigestMismatch, match="on disk"):
        store.adopt(staged, tree_of(DATA))
    assert store.get(DIGEST) is None


def test_blobs_are_there_after_a_restart_without_hashing(open_store, monkeypatch):
    store = open_store()
    adopt(store)
    store.close()
    monkeypatch.setattr("p2player.store.recovery.hash_file", None)
    store = open_store()
    assert store.get(DIGEST) is not None
    assert store.piece_layer(DIGEST) == tree_of(DATA).piece_layer


def test_bytes_are_synced_before_their_name_and_both_before_the_catalog(store, monkeypatch):
    steps = []
    sync, link, publish = os.fsync, os.link, store._inventory.catalog.change

    def watch(step, call):
        def run(*args):
            steps.append(step)
            return call(*args)

        return run

    monkeypatch.setattr(os, "fsync", watch("sync", sync))
    monkeypatch.setattr(os, "link", watch("link", link))
    monkeypatch.setattr(store._inventory.catalog, "change", watch("commit", publish))
    adopt(store)
    assert steps.index("sync") < steps.index("link")
    assert steps[-2:] == ["sync", "commit"]


def test_failed_commit_leaves_no_file(store, monkeypatch, tmp_path, files):
    def fail():
        raise DiskFull("no space left")

    monkeypatch.setattr(store._inventory.catalog, "change", fail)
    with pytest.raises(DiskFull):
        adopt(store)
    assert files(tmp_path / "data") == set()


def test_unreachable_lists_the_longest_unused_first(store, make_image, bring_in, monkeypatch):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    blobs = [b"one", b"two", b"three"]
    now = iter(range(1000, 2000))
    monkeypatch.setattr("time.time", lambda: next(now))
    for data in blobs:
        adopt(store, data)
    store.get(Digest.of(b"one"))
    assert [blob.digest for blob in store.unreachable()] == [Digest.of(b"two"), Digest.of(b"three"), Digest.of(b"one")]


def test_last_use_survives_a_restart(open_store, monkeypatch):
    store = open_store()
    now = iter(range(1000, 2000))
    monkeypatch.setattr("time.time", lambda: next(now))
    adopt(store, b"one")
    adopt(store, b"two")
    store.get(Digest.of(b"one"))
    store.close()
    assert [blob.digest for blob in open_store().unreachable()] == [Digest.of(b"two"), Digest.of(b"one")]


def test_referrers_are_found_by_their_subject(store, make_image, make_referrer):
    image = make_image(1)
    notes = [make_referrer(image.document.descriptor, text) for text in ("signed", "scanned")]
    for note in notes:
        store.put(note.digest, note.document.raw)
    assert {document.digest for document in store.referrers(image.digest)} == {note.digest for note in notes}
    assert store.referrers(notes[0].digest) == []


def test_bans_survive_a_restart(open_store):
    store = open_store()
    store.ban(b"n" * 20, "sent a false root")
    store.ban(b"n" * 20, "again")
    store.close()
    assert open_store().bans() == frozenset({b"n" * 20})


def test_many_threads_may_write_and_read_at_once(store):
    blobs = [str(number % 20).encode() * 1000 for number in range(60)]

    def work(data):
        adopt(store, data)
        return store.get(Digest.of(data))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, blobs))
    assert [blob.digest for blob in found] == [Digest.of(data) for data in blobs]
    assert len(store.blobs()) == 20


def test_false_tree_size_is_refused(store):
    staged = store.stage(DIGEST, len(DATA))
    staged.path.write_bytes(DATA)
    tree = tree_of(DATA)
    with pytest.raises(DigestMismatch):
        store.adopt(staged, MerkleTree(tree.root, tree.piece_layer, len(DATA) + 1))


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_the_store_as_it_is(store, make_image, bring_in, tmp_path):
    image = make_image(1)
    bring_in(store, image.blobs, image.row("1"), image.row("2"))
    bring_in(store, {DIGEST: DATA})
    source = f"oci:{tmp_path}/data/store:docker.io/library/x:1"
    inspected = subprocess.run(["skopeo", "inspect", "--raw", source], capture_output=True, check=True)
    assert inspected.stdout == image.document.raw
