import errno
import os

import pytest

from p2player.errors import DiskFull, StorageError
from p2player.store.durable import disk_errors, make_directory, replace_file


def test_replaced_file_has_the_new_content_and_leaves_nothing_beside(tmp_path):
    replace_file(tmp_path / "file", b"old")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_keeps_its_old_content_when_the_new_does_not_fit(tmp_path, monkeypatch):
    replace_file(tmp_path / "file", b"old")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="no space left"):
        replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EIO, StorageError),
        (errno.EROFS, StorageError),
        (errno.EMFILE, StorageError),
        (errno.ENOENT, FileNotFoundError),
    ],
)
def test_a_failure_of_the_disk_says_what_to_do_about_it_and_others_stay_what_they_are(tmp_path, code, raised):
    with pytest.raises(raised) as caught, disk_errors(tmp_path):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is raised
    assert raised is FileNotFoundError or caught.value.hint


def test_directory_is_made_once(tmp_path):
    make_directory(tmp_path / "folder")
    make_directory(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()
