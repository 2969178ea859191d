import errno
from dataclasses import replace

import pytest

from p2player.errors import DigestMismatch, DiskFull, InvalidArchive, StoreDamaged
from p2player.oci.digest import Digest


def write(importing, data, digest=None, size=None):
    writer = importing.add(digest, size)
    for start in range(0, len(data), 1000):
        writer.write(data[start : start + 1000])
    return writer.finish()


def test_image_comes_in_with_its_name(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    assert {blob.digest for blob in store.blobs()} == set(image.blobs)
    assert all(store.path(digest).read_bytes() == data for digest, data in image.blobs.items())
    assert store.name("docker.io/library/x", "1") == image.row()
    assert store.document(image.digest) == image.document


def test_nothing_is_in_the_store_before_commit(store, make_image, tmp_path, files):
    image = make_image(1)
    with store.begin_import() as importing:
        for digest, data in image.blobs.items():
            write(importing, data, digest, len(data))
        assert all(map(importing.has, image.blobs))
        assert store.blobs() == []
        assert files(tmp_path / "data") == set()


def test_import_without_commit_leaves_no_trace(store, make_image, tmp_path, files):
    with store.begin_import() as importing:
        write(importing, b"one")
        importing.add(None, None).write(b"half")
    assert store.blobs() == []
    assert files(tmp_path / "data") == set()
    assert list((tmp_path / "data" / "staging").iterdir()) == []


def test_blob_of_unknown_digest_is_named_by_its_content(store):
    with store.begin_import() as importing:
        blob = write(importing, b"some file")
        importing.commit([])
    assert blob.digest == Digest.of(b"some file")
    assert store.get(blob.digest) == blob


def test_blob_with_other_content_is_refused_and_the_rest_can_go_on(store):
    with store.begin_import() as importing:
        with pytest.raises(DigestMismatch, match="has the content of"):
            write(importing, b"wrong", Digest.of(b"right"), 5)
        assert not importing.has(Digest.of(b"right"))
        write(importing, b"right", Digest.of(b"right"), 5)
        importing.commit([])
    assert [blob.digest for blob in store.blobs()] == [Digest.of(b"right")]


def test_blob_of_another_size_than_announced_is_refused(store):
    with store.begin_import() as importing, pytest.raises(DigestMismatch, match="3 bytes where 4"):
        write(importing, b"abc", Digest.of(b"abc"), 4)


@pytest.mark.parametrize("missing", range(3))
def test_image_that_lacks_a_layer_or_its_config_is_refused_whole(store, make_image, bring_in, missing):
    image = make_image(1)
    blobs = dict(image.blobs)
    lost = list(blobs)[missing]
    del blobs[lost]
    with pytest.raises(InvalidArchive, match=str(lost)):
        bring_in(store, blobs, image.row())
    assert store.blobs() == []
    assert store.names() == []


def test_layers_that_the_store_has_need_not_come_again(store, make_image, bring_in):
    first, second = make_image(1), make_image(2)
    bring_in(store, first.blobs, first.row("1"))
    shared = first.layers[0]
    assert shared == second.layers[0]
    bring_in(store, {digest: data for digest, data in second.blobs.items() if digest != shared}, second.row("2"))
    assert store.document(second.digest) == second.document


def test_name_for_a_manifest_that_is_here_already_is_enough(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row("1"))
    bring_in(store, {}, image.row("2"))
    assert [row.name for row in store.names()] == ["1", "2"]


def test_name_for_a_manifest_that_is_not_there_is_refused(store, make_image, bring_in):
    image = make_image(1)
    with pytest.raises(InvalidArchive, match=r"docker\.io/library/x:1"):
        bring_in(store, {}, image.row("1"))


def test_name_for_a_manifest_whose_layers_are_not_there_is_refused(store, make_image, bring_in):
    image = make_image(1)
    store.put(image.digest, image.document.raw)
    with pytest.raises(InvalidArchive, match="needs"):
        bring_in(store, {}, image.row("1"))


def test_name_for_a_stored_manifest_that_is_damaged_is_refused_and_works_the_next_time(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row("1"))
    store.path(image.digest).write_bytes(b"damaged")
    with pytest.raises(StoreDamaged, match="taken out"):
        bring_in(store, {}, image.row("2"))
    bring_in(store, {image.digest: image.document.raw}, image.row("2"))
    assert store.document(image.digest) == image.document


def test_sparse_index_needs_only_one_of_its_platforms(store, make_image, make_index, bring_in):
    here, elsewhere = make_image(1), make_image(2)
    index = make_index(here, elsewhere)
    row = replace(here.row(), descriptor=index.descriptor)
    bring_in(store, here.blobs | {index.digest: index.raw}, row)
    assert store.document(index.digest) == index


def test_index_of_which_nothing_is_there_is_refused(store, make_image, make_index, bring_in):
    index = make_index(make_image(1))
    with pytest.raises(InvalidArchive):
        bring_in(store, {index.digest: index.raw}, replace(make_image(1).row(), descriptor=index.descriptor))


def test_platform_that_is_there_must_be_complete(store, make_image, make_index, bring_in):
    whole, torn = make_image(1), make_image(2, base=2)
    index = make_index(whole, torn)
    blobs = whole.blobs | {index.digest: index.raw, torn.digest: torn.document.raw}
    with pytest.raises(InvalidArchive, match=str(torn.digest)):
        bring_in(store, blobs, replace(whole.row(), descriptor=index.descriptor))


def test_bare_file_is_pinned(store, bring_in):
    bring_in(store, {Digest.of(b"file"): b"file"})
    assert store.unreachable() == []


def test_bare_file_that_was_only_cached_is_pinned_when_it_is_seeded(store, bring_in):
    digest = Digest.of(b"file")
    store.put(digest, b"file")
    assert [blob.digest for blob in store.unreachable()] == [digest]
    bring_in(store, {digest: b"file"})
    assert store.unreachable() == []


def test_image_without_a_name_is_pinned_as_a_whole(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs)
    assert store._catalog.pins() == [image.digest]
    assert store.unreachable() == []


def test_named_image_pins_nothing(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    assert store._catalog.pins() == []


def test_layer_seeded_again_for_a_manifest_that_is_here_is_not_pinned(store, make_image, bring_in):
    image = make_image(1)
    bring_in(store, image.blobs, image.row())
    layer = image.layers[0]
    store.remove([layer])
    bring_in(store, {layer: image.blobs[layer]}, image.row())
    assert store._catalog.pins() == []


def test_referrer_is_kept_by_its_subject_and_not_pinned(store, make_image, make_referrer, bring_in):
    image = make_image(1)
    note = make_referrer(image.document.descriptor, "signed")
    bring_in(store, image.blobs | note.blobs, image.row())
    assert store._catalog.pins() == []
    assert store.unreachable() == []


def test_referrer_whose_subject_is_elsewhere_is_pinned(store, make_image, make_referrer, bring_in):
    note = make_referrer(make_image(1).document.descriptor, "signed")
    bring_in(store, note.blobs)
    assert store._catalog.pins() == [note.digest]


def test_full_disk_is_said_before_the_first_byte(store):
    with store.begin_import() as importing, pytest.raises(DiskFull):
        importing.add(None, 2**60)


def test_disk_that_fills_up_while_writing_is_said_and_leaves_nothing(store, tmp_path, monkeypatch):
    with store.begin_import() as importing:
        writer = importing.add(None, None)
        monkeypatch.setattr(writer, "_file", _Full(writer._file))
        with pytest.raises(DiskFull, match="no space left"):
            writer.write(b"data")
    assert list((tmp_path / "data" / "staging").iterdir()) == []


class _Full:
    def __init__(self, file):
        self._file = file

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self._file.close()
        raise OSError(errno.ENOSPC, "No space left on device")
