import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2player.errors import DiskFull, StoreDamaged
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.store.catalog import Catalog
from p2player.store.database import VERSION
from p2player.store.rows import Entry, NameRow, StoredBlob

A, B, C, D, E = (Digest.of(letter) for letter in (b"a", b"b", b"c", b"d", b"e"))


def entry(digest, *children, subject=None, layer=b""):
    return Entry(StoredBlob(digest, 10, b"r" * 32, "application/x" if children else None), layer, children, subject)


def row(issued, digest=A, record=b""):
    return NameRow("docker.io/library/x", "1", Descriptor("application/x", digest, 10), record, issued)


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog.create(tmp_path / "catalog.db", [], [])
    yield catalog
    catalog.close()


def add(catalog, *entries):
    with catalog.change() as change:
        for it in entries:
            change.add(it)


def test_failed_change_changes_nothing(catalog):
    with pytest.raises(RuntimeError), catalog.change() as change:  # noqa: PT012  (the block is what fails)
        change.add(entry(A, B))
        change.set_name(row(1))
        raise RuntimeError
    assert catalog.blobs() == catalog.names() == []
    add(catalog, entry(A))
    assert [blob.digest for blob in catalog.blobs()] == [A]


def test_change_is_not_seen_before_it_ends(catalog):
    with catalog.change() as change:
        change.add(entry(A))
        assert catalog.get(A) is None
    assert catalog.get(A) is not None


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_newest_meaning_of_a_name_wins_in_any_order(catalog, order):
    for issued in order:
        with catalog.change() as change:
            change.set_name(row(issued, {1: A, 2: B}[issued]))
    assert catalog.names() == [row(2, B)]


def test_of_two_equally_new_meanings_the_later_call_wins(catalog):
    for digest in (A, B):
        with catalog.change() as change:
            change.set_name(row(1, digest))
    assert catalog.name("docker.io/library/x", "1") == row(1, B)


def test_entering_a_blob_again_replaces_all_that_was_known(catalog):
    add(catalog, entry(A, B, C, subject=D), entry(B), entry(C))
    add(catalog, entry(A, B, layer=b"layer"))
    assert set(catalog.reached([A])) == {A, B}
    assert catalog.referrers(D) == []
    assert catalog.piece_layer(A) == b"layer"


def test_reach_follows_children_and_referrers_but_not_subjects(catalog):
    add(catalog, entry(A, B), entry(B), entry(C, D, subject=A), entry(D), entry(E))
    assert catalog.reached([A]) == dict.fromkeys((A, B, C, D), 10)
    assert set(catalog.reached([C])) == {C, D}
    assert {blob.digest for blob in catalog.unreached([C])} == {A, B, E}


def test_reach_ends_on_manifests_that_refer_in_circles(catalog):
    add(catalog, entry(A, B), entry(B, A), entry(C, subject=C))
    assert set(catalog.reached([A, C])) == {A, B, C}


def test_child_that_is_not_here_is_not_reached(catalog):
    add(catalog, entry(A, B))
    assert set(catalog.reached([A])) == {A}


def test_use_of_a_blob_that_is_gone_is_forgotten(catalog):
    catalog.touch(A)
    assert catalog.unreached([]) == []


def test_catalog_of_another_version_is_not_opened(tmp_path, catalog):
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(ValueError, match=f"version {VERSION + 1}"):
        Catalog.open(tmp_path / "catalog.db")


def test_catalog_half_made_is_not_opened(tmp_path):
    def names():
        yield row(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Catalog.create(tmp_path / "catalog.db", names(), [])
    with pytest.raises(ValueError, match="version 0"):
        Catalog.open(tmp_path / "catalog.db")


def test_full_disk_is_said_as_such(catalog):
    catalog._writer.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull):
        add(catalog, entry(A, layer=b"x" * 100_000))
    assert catalog.get(A) is None


def test_damage_met_at_run_time_says_what_to_do(tmp_path):
    path = tmp_path / "catalog.db"
    catalog = Catalog.create(path, [], [])
    add(catalog, *(entry(Digest.of(bytes([number])), layer=b"x" * 5000) for number in range(50)))
    catalog.close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    catalog = Catalog(path)
    with pytest.raises(StoreDamaged, match="damaged") as caught:
        catalog.blobs()
    assert "start the daemon again" in caught.value.hint
    catalog.close()


def test_closing_waits_for_whoever_is_reading(tmp_path):
    for number in range(30):
        catalog = Catalog.create(tmp_path / f"{number}.db", [], [])
        reading = threading.Event()

        def read_on(catalog=catalog, reading=reading):
            while True:
                catalog.removals()
                reading.set()

        with ThreadPoolExecutor() as threads:
            readers = [threads.submit(read_on) for _ in range(3)]
            assert reading.wait(30)
            catalog.close()
        for reader in readers:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                reader.result()
