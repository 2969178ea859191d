import errno
from contextlib import suppress

import pytest

from p2player.errors import BadInput, DigestMismatch, DiskFull, StorageError
from p2player.oci.blobwriter import BlobWriter, StagedFile, disk_errors, write_file
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor

DESCRIPTOR = Descriptor("x/y", Digest.of(b"content", "sha512"), 7)


class Memory:
    """A sink that remembers what became of the blob."""

    def __init__(self, *, full=False):
        self.data = b""
        self.fate = []
        self.full = full

    def write(self, data):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += data

    def keep(self):
        self.fate.append("kept")

    def drop(self):
        self.fate.append("dropped")


def test_blob_that_matches_is_kept():
    sink = Memory()
    with BlobWriter(DESCRIPTOR, sink) as writer:
        writer.write(b"con")
        writer.write(b"tent")

    assert (sink.data, sink.fate) == (b"content", ["kept"])


@pytest.mark.parametrize(
    ("data", "message"), [(b"CONTENT", "other content"), (b"conten", "1 bytes short"), (b"", "7 bytes short")]
)
def test_blob_that_does_not_match_is_dropped(data, message):
    sink = Memory()
    with pytest.raises(DigestMismatch, match=message), BlobWriter(DESCRIPTOR, sink) as writer:
        writer.write(data)

    assert sink.fate == ["dropped"]


def test_blob_that_is_too_long_is_stopped_before_it_is_written():
    sink = Memory()
    with pytest.raises(DigestMismatch, match="longer than 7"), BlobWriter(DESCRIPTOR, sink) as writer:
        writer.write(b"content!")

    assert (sink.data, sink.fate) == (b"", ["dropped"])


def test_blob_whose_source_fails_is_dropped():
    sink = Memory()
    with suppress(KeyboardInterrupt), BlobWriter(DESCRIPTOR, sink) as writer:
        writer.write(b"content")
        raise KeyboardInterrupt

    assert sink.fate == ["dropped"]


def test_full_disk_is_said_to_be_one():
    sink = Memory(full=True)
    with pytest.raises(DiskFull), BlobWriter(DESCRIPTOR, sink) as writer:
        writer.write(b"content")

    assert sink.fate == ["dropped"]


def test_other_trouble_with_the_disk_is_a_storage_error():
    with pytest.raises(StorageError, match="Input/output error"), disk_errors():
        raise OSError(errno.EIO, "Input/output error")


def test_staged_file_takes_its_path_only_when_it_is_kept(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    staged = StagedFile(path)
    staged.write(b"new")
    assert path.read_bytes() == b"old"

    staged.keep()
    staged.drop()

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_dropped_staged_file_leaves_nothing(tmp_path):
    staged = StagedFile(tmp_path / "file")
    staged.write(b"new")
    staged.drop()

    assert list(tmp_path.iterdir()) == []


def test_paths_that_cannot_be_written_are_refused_at_once(tmp_path):
    with pytest.raises(BadInput, match="is a directory"):
        StagedFile(tmp_path)
    with pytest.raises(BadInput, match="No such file or directory"):
        StagedFile(tmp_path / "none" / "file")


def test_a_written_file_takes_the_place_of_another(tmp_path):
    (tmp_path / "file").write_bytes(b"old and longer")
    write_file(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"new")]


def test_a_file_that_cannot_be_written_leaves_the_other_and_nothing_beside_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(StagedFile, "write", full)
    with pytest.raises(DiskFull):
        write_file(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]
