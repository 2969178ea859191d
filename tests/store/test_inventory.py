"""Every operation is killed before each of its steps in turn; what the next start finds must be whole."""

import errno
import json
import os
import sys
from itertools import count

import pytest

from p2player.errors import StorageError
from p2player.oci.digest import Digest
from p2player.store.durable import disk_errors
from p2player.store.store import Store

SCOPE = "docker.io/library/x"
STEPS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
DIED = 42


def open_in(data_dir):
    return Store.open(data_dir, reserve=0)


def die_at(number):
    """Make this process die before its step of this number; return what counts a step that no audit event tells."""
    steps = count()

    def step():
        if next(steps) == number:
            os._exit(DIED)

    sys.addaudithook(lambda event, _: step() if event in STEPS else None)
    return step


def run_until_step(number, prepared, operation):
    """Run operation in a process that dies before its step of this number; tell whether it lived through."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in {0, DIED}
        return code == 0
    try:
        store = open_in(prepared)
        step = die_at(number)
        store._catalog._writer.set_trace_callback(lambda sql: step() if sql == "COMMIT" else None)
        operation(store)
        os._exit(0)
    finally:
        os._exit(1)


def assert_sound(store, data_dir, files):
    assert files(data_dir) == {blob.digest for blob in store.blobs()}
    assert all(check.ok for check in store.verify())
    assert list((data_dir / "staging").iterdir()) == []
    assert not (data_dir / "quarantine").exists()
    assert store._catalog.removals() == []
    listed = json.loads((data_dir / "store" / "index.json").read_text())["manifests"]
    names = [it["annotations"]["io.p2player.name"] for it in listed if "annotations" in it]
    assert names == [row.name for row in store.names()]
    for row in store.names():
        document = store.document(row.descriptor.digest)
        assert all(store.get(child.digest) for child in document.children)


@pytest.fixture
def die_everywhere(tmp_path, files):
    """Kill operation at each of its steps, and hand the store of each next start to `check`."""

    def run(prepare, operation, check):
        for number in count():
            data_dir = tmp_path / str(number)
            store = open_in(data_dir)
            prepare(store)
            store.close()
            lived = run_until_step(number, data_dir, operation)
            store = open_in(data_dir)
            try:
                assert_sound(store, data_dir, files)
                check(store)
            finally:
                store.close()
            if lived:
                assert number > 3
                return

    return run


def test_death_while_an_image_is_imported_leaves_all_of_it_or_no_name(die_everywhere, make_image, bring_in):
    old, new = make_image(1), make_image(2)
    outcomes = set()

    def check(store):
        assert store.name(SCOPE, "1") == old.row("1")
        outcomes.add(store.name(SCOPE, "2"))

    die_everywhere(
        lambda store: bring_in(store, old.blobs, old.row("1")),
        lambda store: bring_in(store, new.blobs, new.row("2")),
        check,
    )
    assert outcomes == {None, new.row("2")}


def test_death_while_a_blob_is_adopted_leaves_it_whole_or_absent(die_everywhere):
    data = b"layer" * 30_000
    outcomes = set()
    die_everywhere(
        lambda _: None,
        lambda store: store.put(Digest.of(data), data),
        lambda store: outcomes.add(tuple(blob.size for blob in store.blobs())),
    )
    assert outcomes == {(), (len(data),)}


def test_death_while_an_image_is_removed_takes_all_of_it_or_nothing(die_everywhere, make_image, bring_in):
    going, staying = make_image(1), make_image(2)

    def prepare(store):
        bring_in(store, going.blobs, going.row("1"))
        bring_in(store, staying.blobs, staying.row("2"))

    outcomes = set()

    def check(store):
        there = {blob.digest for blob in store.blobs()}
        named = store.name(SCOPE, "1") is not None
        assert there == (set(staying.blobs) | set(going.blobs) if named else set(staying.blobs))
        outcomes.add(named)

    die_everywhere(prepare, lambda store: store.remove_image(SCOPE, "1"), check)
    assert outcomes == {True, False}


def test_death_while_a_tag_moves_leaves_the_old_meaning_or_the_new(die_everywhere, make_image, bring_in):
    old, new = make_image(1), make_image(2)

    def prepare(store):
        bring_in(store, old.blobs, old.row("1", issued=1))
        bring_in(store, new.blobs)

    outcomes = set()
    die_everywhere(
        prepare,
        lambda store: store.set_name(new.row("1", issued=2)),
        lambda store: outcomes.add(store.name(SCOPE, "1").issued),
    )
    assert outcomes == {1, 2}


def test_death_during_recovery_is_recovered_from(tmp_path, make_image, bring_in, files):
    image = make_image(1)
    for number in count():
        data_dir = tmp_path / str(number)
        store = open_in(data_dir)
        bring_in(store, image.blobs, image.row())
        bring_in(store, {Digest.of(b"file"): b"file"})
        store.close()
        (data_dir / "catalog.db").write_bytes(b"damaged" * 1000)
        child = os.fork()
        if not child:
            die_at(number)
            open_in(data_dir)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        (data_dir / "quarantine" / "catalog.db").unlink(missing_ok=True)
        store = open_in(data_dir)
        (data_dir / "quarantine" / "catalog.db").unlink(missing_ok=True)
        (data_dir / "quarantine").rmdir()
        assert_sound(store, data_dir, files)
        assert store.names() == [image.row()]
        assert store.unreachable() == []
        assert len(store.blobs()) == len(image.blobs) + 1
        store.close()
        if os.waitstatus_to_exitcode(status) == 0:
            return


def test_index_json_that_cannot_be_written_does_not_stop_a_removal(store, make_image, bring_in, monkeypatch, tmp_path):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr("p2player.store.layout.replace_file", disk_errors(tmp_path)(full))
        store.remove_image(SCOPE, "1")
    assert store.blobs() == store.names() == []
    bring_in(store, image.blobs, image.row("2"))
    listed = json.loads((tmp_path / "data" / "store" / "index.json").read_text())["manifests"]
    assert [it["annotations"]["io.p2player.name"] for it in listed] == ["2"]


def test_failed_publication_takes_its_files_back(store, make_image, bring_in, monkeypatch, tmp_path, files):
    image = make_image(1)
    link, links = os.link, count()

    def fail_late(*args):
        if next(links) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        link(*args)

    with monkeypatch.context() as disk:
        disk.setattr(os, "link", fail_late)
        with pytest.raises(StorageError, match=os.strerror(errno.EIO)):
            bring_in(store, image.blobs, image.row())
    assert store.blobs() == store.names() == []
    assert files(tmp_path / "data") == set()
    bring_in(store, image.blobs, image.row())
    assert len(store.blobs()) == len(image.blobs)
