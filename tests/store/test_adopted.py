import errno
import os
from pathlib import Path

import pytest

from p2player.errors import BadInput, DigestMismatch, DiskFull
from p2player.oci.digest import Digest
from p2player.store.adopted import UNKNOWN, measure

OWNER = "containerd:/somewhere"
DATA = b"theirs" * 50_000
DIGEST = Digest.of(DATA)


def ignore(_):
    pass


@pytest.fixture
def theirs(tmp_path):
    """Put a blob into somebody else's store."""

    def put(data=DATA, digest=None):
        path = tmp_path / "theirs" / (digest or Digest.of(data)).hex
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        return path

    return put


@pytest.fixture
def adopt(theirs):
    def adopt(store, *blobs):
        paths = []
        for data in blobs or (DATA,):
            path = theirs(data)
            paths.append(path)
        measured = [measure(path, Digest("sha256", path.name), ignore) for path in paths]
        assert len(store.adopted.take(measured, OWNER)) == len(paths)
        return paths[0] if len(paths) == 1 else paths

    return adopt


def test_a_blob_is_offered_from_where_it_lies(store, adopt):
    path = adopt(store)
    assert store.path(DIGEST).readlink() == path
    assert store.get(DIGEST).size == len(DATA)
    assert len(store.piece_layer(DIGEST)) > 0
    assert store.adopted.owners() == {DIGEST: OWNER}


def test_a_manifest_is_known_as_one(store, adopt, make_image):
    image = make_image(1)
    adopt(store, *image.blobs.values())
    assert store.document(image.digest) == image.document


def test_what_is_here_already_is_not_taken(store, theirs):
    measured = measure(theirs(), DIGEST, ignore)
    store.put(DIGEST, DATA)
    assert store.adopted.take([measured], OWNER) == []
    assert store.adopted.owners() == {}
    assert not store.path(DIGEST).is_symlink()


def test_what_has_changed_or_gone_since_it_was_hashed_is_not_taken(store, theirs):
    path = theirs()
    measured = measure(path, DIGEST, ignore)
    os.utime(path, ns=(1, 1))
    assert store.adopted.take([measured], OWNER) == []
    path.unlink()
    assert store.adopted.take([measured], OWNER) == []
    assert store.blobs() == []


def test_what_is_another_blob_or_no_file_is_refused(theirs, tmp_path):
    with pytest.raises(DigestMismatch, match="content of"):
        measure(theirs(b"other", DIGEST), DIGEST, ignore)
    (tmp_path / "link").symlink_to(theirs())
    with pytest.raises(DigestMismatch, match="regular"):
        measure(tmp_path / "link", DIGEST, ignore)


def test_released_ones_are_gone_and_their_files_untouched(store, adopt):
    path = adopt(store)
    store.adopted.release([DIGEST])
    assert store.get(DIGEST) is None
    assert not store.path(DIGEST).is_symlink()
    assert store.adopted.owners() == {}
    assert path.read_bytes() == DATA


def test_our_own_are_not_released(store):
    store.put(DIGEST, DATA)
    store.adopted.release([DIGEST])
    assert store.get(DIGEST)


def test_what_is_seeded_by_hand_becomes_our_own(store, adopt, bring_in):
    path = adopt(store)
    bring_in(store, {DIGEST: DATA})
    path.unlink()
    assert store.path(DIGEST).read_bytes() == DATA
    assert not store.path(DIGEST).is_symlink()
    assert store.adopted.owners() == {}


def test_an_import_wants_what_is_only_somebody_elses(store, adopt):
    adopt(store)
    with store.begin_import() as importing:
        assert not importing.has(DIGEST)


def test_an_import_may_rest_on_what_is_somebody_elses(store, adopt, make_image, bring_in):
    image = make_image(1)
    adopt(store, *image.blobs.values())
    bring_in(store, {}, image.row())
    assert store.names() == [image.row()]


def test_a_blob_that_could_not_become_our_own_is_still_offered(store, adopt, bring_in, monkeypatch):
    path = adopt(store)

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(store._layout, "sync", full)
    with pytest.raises(DiskFull):
        bring_in(store, {DIGEST: DATA})
    assert store.path(DIGEST).readlink() == path
    assert store.adopted.owners() == {DIGEST: OWNER}


def test_a_restart_hashes_nothing_again(open_store, adopt, monkeypatch):
    store = open_store()
    adopt(store)
    blob = store.get(DIGEST)
    store.close()
    monkeypatch.setattr("p2player.store.recovery.hash_file", lambda *_: pytest.fail("hashed"))
    store = open_store()
    assert store.get(DIGEST) == blob
    assert store.adopted.owners() == {DIGEST: OWNER}


def touch(path):
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [Path.unlink, touch, lambda path: path.chmod(0o644) or path.write_bytes(b"")])
def test_what_has_changed_or_gone_before_a_start_is_dropped(open_store, adopt, caplog, change):
    store = open_store()
    path = adopt(store)
    store.close()
    change(path)
    store = open_store()
    assert store.blobs() == []
    assert not store.path(DIGEST).is_symlink()
    assert caplog.text == ""
    assert list((store.path(DIGEST).parents[3] / "quarantine").glob("*")) == []


def test_links_that_a_lost_catalog_knew_are_dropped(open_store, adopt, tmp_path):
    store = open_store()
    path = adopt(store)
    store.close()
    for file in (tmp_path / "data").glob("catalog.db*"):
        file.unlink()
    store = open_store()
    assert store.blobs() == []
    assert not store.path(DIGEST).is_symlink()
    assert path.read_bytes() == DATA


def test_a_crash_before_the_commit_leaves_no_link(open_store, theirs):
    store = open_store()
    store._layout.point(DIGEST, theirs())
    store.close()
    store = open_store()
    assert not store.path(DIGEST).is_symlink()


def test_a_crash_while_it_became_our_own_keeps_it(open_store, adopt, tmp_path):
    store = open_store()
    path = adopt(store)
    (tmp_path / "staged").write_bytes(DATA)
    store._layout.link(tmp_path / "staged", DIGEST)
    store.close()
    path.unlink()
    store = open_store()
    assert store.get(DIGEST).size == len(DATA)
    assert store.adopted.owners() == {}


def test_verify_lets_go_of_what_was_changed_and_leaves_it_alone(store, adopt):
    path = adopt(store)
    path.chmod(0o644)
    path.write_bytes(b"changed")
    (bad,) = store.verify()
    assert not bad.ok
    assert "left alone" in bad.reason
    assert store.get(DIGEST) is None
    assert not store.path(DIGEST).is_symlink()
    assert path.read_bytes() == b"changed"


def test_verify_keeps_what_is_good(store, adopt):
    adopt(store)
    (good,) = store.verify()
    assert good.ok
    assert store.adopted.owners() == {DIGEST: OWNER}


def test_verify_puts_a_wrong_tree_right_and_remembers_whose_it_is(store, adopt):
    adopt(store)
    with store._catalog.change() as change:
        change._connection.execute("UPDATE blobs SET root = ?", (b"\xff" * 32,))
    (good,) = store.verify()
    assert "put right" in good.reason
    assert store.adopted.owners() == {DIGEST: OWNER}


def test_verify_says_nothing_of_what_its_owner_has_just_removed(store, adopt):
    adopt(store).unlink()
    assert list(store.verify()) == []


def test_a_manifest_whose_owner_has_just_removed_it_is_not_here(store, adopt, make_image, tmp_path):
    image = make_image(1)
    adopt(store, image.document.raw).unlink()
    assert store.document(image.digest) is None
    assert not list((tmp_path / "data" / "quarantine").glob("*"))


def test_an_image_is_removed_by_name_but_not_what_is_somebody_elses(store, adopt, make_image, bring_in):
    image = make_image(1)
    first, *others = image.blobs.items()
    adopt(store, first[1])
    bring_in(store, dict(others), image.row())
    removed = store.remove_image("docker.io/library/x", "1")
    assert set(removed.blobs) == {digest for digest, _ in others}
    assert [blob.digest for blob in store.blobs()] == [first[0]]


def test_a_blob_that_is_somebody_elses_is_not_removed_by_digest(store, adopt):
    adopt(store)
    with pytest.raises(BadInput, match="containerd") as refused:
        store.remove_blob(DIGEST)
    assert "--adopt" in refused.value.hint
    assert store.get(DIGEST)


def test_nothing_is_gained_by_evicting_what_is_somebody_elses(store, adopt):
    adopt(store)
    store.put(Digest.of(b"ours"), b"ours")
    assert [blob.digest for blob in store.unreachable()] == [Digest.of(b"ours")]


def test_what_is_taken_is_private_until_it_is_known_better(store, adopt):
    adopt(store)
    assert store.origins(DIGEST) == [(UNKNOWN, True)]
    assert store.is_private(DIGEST)
    store.add_origin(DIGEST, "docker.io/library/x", private=False)
    assert not store.is_private(DIGEST)


def test_what_is_known_to_be_open_stays_open(store, adopt):
    store.add_origin(DIGEST, "docker.io/library/x", private=False)
    adopt(store)
    assert not store.is_private(DIGEST)
    assert store.private_repositories() == frozenset()


def test_what_a_manifest_of_somebody_elses_needs_is_as_private_as_it(store, adopt, make_image):
    image = make_image(1)
    adopt(store, *image.blobs.values())
    assert all(store.is_private(digest) for digest in image.blobs)


def test_nothing_is_left_of_what_could_not_be_taken(store, theirs, monkeypatch):
    def full(_):
        raise DiskFull("full")

    monkeypatch.setattr(store._layout.origins, "write", full)
    with pytest.raises(DiskFull):
        store.adopted.take([measure(theirs(), DIGEST, ignore)], OWNER)
    assert store.blobs() == []
    assert not store.path(DIGEST).is_symlink()
