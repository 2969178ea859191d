import os
import shutil
from types import SimpleNamespace

import pytest

from p2player.errors import DiskFull
from p2player.oci.digest import Digest
from p2player.store.staging import Staging

MIB = 1024 * 1024
DIGEST = Digest.of(b"blob")


@pytest.fixture
def disk(monkeypatch):
    """Make the disk have 100 MiB free, or what the test sets."""
    state = {"free": 100 * MIB}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=state["free"]))
    return state


@pytest.fixture
def staging(tmp_path):
    staging = Staging(tmp_path / "staging", reserve=10 * MIB)
    staging.clear()
    return staging


def test_staged_path_is_empty_and_named_like_the_blob_it_becomes(staging, disk):
    first, second = staging.stage(DIGEST, 1), staging.stage(DIGEST, 1)
    assert first.path.name == second.path.name == DIGEST.hex
    assert first.path != second.path
    assert first.path.parent.is_dir()
    assert not first.path.exists()


def test_blob_that_would_eat_into_the_reserve_is_refused(staging, disk):
    staging.require(90 * MIB)
    with pytest.raises(DiskFull, match="do not fit"):
        staging.require(90 * MIB + 1)


def test_space_is_spoken_for_until_it_is_written_or_given_back(staging, disk):
    staged = staging.stage(DIGEST, 60 * MIB)
    with pytest.raises(DiskFull):
        staging.stage(DIGEST, 60 * MIB)
    staged.discard()
    staging.stage(DIGEST, 60 * MIB)


def test_space_that_is_written_is_not_counted_twice(staging, disk):
    staged = staging.stage(DIGEST, 60 * MIB)
    with staged.path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 8 * MIB)
    assert staged.outstanding == 52 * MIB
    disk["free"] -= 8 * MIB
    staging.require(30 * MIB)
    with pytest.raises(DiskFull):
        staging.require(30 * MIB + 1)


def test_sparse_file_still_speaks_for_its_space(staging, disk):
    staged = staging.stage(DIGEST, 60 * MIB)
    with staged.path.open("wb") as file:
        file.truncate(60 * MIB)
    assert staged.outstanding == 60 * MIB


def test_discard_takes_everything_beside_the_file_along_and_may_be_repeated(staging, disk, tmp_path):
    staged = staging.stage(DIGEST, 1)
    staged.path.write_bytes(b"x")
    (staged.path.parent / ".parts").write_bytes(b"y")
    staged.discard()
    staged.discard()
    assert list((tmp_path / "staging").iterdir()) == []
