import json
import os
import random

import pytest

from p2player.oci.digest import Digest

FILE = b"a bare file"


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def filled(open_store, make_image, bring_in):
    """Leave a closed store with a named image and a pinned file in it; return the image."""
    store = open_store()
    image = make_image(1)
    bring_in(store, image.blobs, image.row(record=b"\x00signed\xff", issued=123))
    bring_in(store, {Digest.of(FILE): FILE})
    store.close()
    return image


def everything(store):
    blobs = store.blobs()
    return (
        blobs,
        [store.piece_layer(blob.digest) for blob in blobs],
        store.names(),
        store._catalog.pins(),
        [store.document(blob.digest) for blob in blobs],
        {blob.digest for blob in store.unreachable()},
    )


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def scramble(path):
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data)):
        data[at] ^= 0xA5
    path.write_bytes(data)


def forget_version(path):
    data = bytearray(path.read_bytes())
    data[60:64] = (99).to_bytes(4, "big")  # user_version (SQLite file format, 1.3)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        truncate,
        scramble,
        forget_version,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a database " * 1000),
    ],
    ids=["lost", "truncated", "scrambled", "of another version", "empty", "not a database"],
)
def test_lost_or_damaged_catalog_is_made_anew_and_lacks_nothing(open_store, filled, data_dir, damage):
    before_store = open_store()
    before = everything(before_store)
    before_store.close()
    damage(data_dir / "catalog.db")
    assert everything(open_store()) == before


def test_damaged_catalog_is_kept_for_people_to_look_at(open_store, filled, data_dir):
    (data_dir / "catalog.db").write_bytes(b"not a database")
    open_store()
    assert (data_dir / "quarantine" / "catalog.db").read_bytes() == b"not a database"


def test_log_of_a_damaged_catalog_is_not_replayed_into_the_new_one(open_store, filled, data_dir, make_image, bring_in):
    store = open_store()
    other = make_image(2)
    bring_in(store, other.blobs, other.row("2"))
    wal = (data_dir / "catalog.db-wal").read_bytes()
    before = everything(store)
    store.close()
    (data_dir / "catalog.db").write_bytes(b"not a database")
    (data_dir / "catalog.db-wal").write_bytes(wal)
    assert everything(open_store()) == before


@pytest.mark.parametrize("seed", range(20))
def test_catalog_with_random_damage_never_stops_the_start(open_store, filled, data_dir, seed):
    rng = random.Random(seed)
    path = data_dir / "catalog.db"
    data = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 200)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.3 else data)
    store = open_store()
    assert {blob.digest for blob in store.blobs()} == {*filled.blobs, Digest.of(FILE)}
    assert all(check.ok for check in store.verify())


def test_file_linked_before_a_crash_gets_its_row(open_store, filled, data_dir):
    late = b"linked, then the power went" * 10_000
    (data_dir / "store" / "blobs" / "sha256" / Digest.of(late).hex).write_bytes(late)
    store = open_store()
    assert store.get(Digest.of(late)).size == len(late)
    assert store.piece_layer(Digest.of(late))


def test_file_that_is_not_what_its_name_says_never_becomes_a_blob(open_store, filled, data_dir):
    name = Digest.of(b"what it should be")
    (data_dir / "store" / "blobs" / "sha256" / name.hex).write_bytes(b"what it is")
    store = open_store()
    assert store.get(name) is None
    assert not store.path(name).exists()
    assert (data_dir / "quarantine" / f"sha256-{name.hex}").read_bytes() == b"what it is"


def test_blob_cut_short_by_the_file_system_is_found_by_its_size(open_store, filled, data_dir):
    victim = filled.layers[0]
    truncate(data_dir / "store" / "blobs" / "sha256" / victim.hex)
    store = open_store()
    assert store.get(victim) is None
    assert (data_dir / "quarantine" / f"sha256-{victim.hex}").exists()


def test_row_whose_file_is_gone_is_dropped(open_store, filled, data_dir):
    victim = filled.layers[0]
    (data_dir / "store" / "blobs" / "sha256" / victim.hex).unlink()
    assert open_store().get(victim) is None


def test_only_files_without_a_row_are_hashed(open_store, filled, data_dir, monkeypatch):
    late = Digest.of(b"late")
    (data_dir / "store" / "blobs" / "sha256" / late.hex).write_bytes(b"late")
    hashed = []

    def watch(path, algorithm):
        hashed.append(path.name)
        return late, _Nothing

    monkeypatch.setattr("p2player.store.recovery.hash_file", watch)
    open_store()
    assert hashed == [late.hex]


class _Nothing:
    root, piece_layer, size = b"", b"", 4


def test_removal_cut_short_is_finished_and_does_not_come_back(open_store, filled, data_dir):
    store = open_store()
    victim = Digest.of(FILE)
    with store._catalog.change() as change:
        change.remove(victim)
    store.close()
    assert (data_dir / "store" / "blobs" / "sha256" / victim.hex).exists()
    store = open_store()
    assert store.get(victim) is None
    assert not store.path(victim).exists()
    assert store._catalog.removals() == []


def test_leftovers_in_staging_are_thrown_away(open_store, filled, data_dir):
    left = data_dir / "staging" / "7" / "half"
    left.parent.mkdir()
    left.write_bytes(b"half a blob")
    store = open_store()
    assert list((data_dir / "staging").iterdir()) == []
    assert len(store.blobs()) == len(filled.blobs) + 1


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"manifests": [1]}', b'{"manifests": [{}]}'])
def test_index_json_is_written_again_from_the_catalog(open_store, filled, data_dir, content):
    path = data_dir / "store" / "index.json"
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    open_store()
    assert path.read_bytes() == before


def test_catalog_and_index_json_both_lost_cost_the_names_but_no_blob(open_store, filled, data_dir):
    (data_dir / "catalog.db").unlink()
    (data_dir / "store" / "index.json").write_bytes(b"{")
    store = open_store()
    assert store.names() == []
    assert {blob.digest for blob in store.blobs()} == {*filled.blobs, Digest.of(FILE)}


def test_tag_that_another_tool_wrote_keeps_its_image_when_the_catalog_is_lost(open_store, filled, data_dir):
    path = data_dir / "store" / "index.json"
    index = json.loads(path.read_text())
    for entry in index["manifests"]:
        entry["annotations"] = {"org.opencontainers.image.ref.name": "theirs"}
    path.write_text(json.dumps(index))
    (data_dir / "catalog.db").unlink()
    assert open_store().unreachable() == []


def test_lock_is_free_again_when_opening_fails(open_store, filled, data_dir, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("p2player.store.store.reconcile", None)
        with pytest.raises(TypeError):
            open_store()
    open_store()
