import sqlite3

import pytest

from p2player.errors import DiskFull, InvalidDigest, StoreDamaged
from p2player.store.database import connect, is_damage, sqlite_errors


def test_busy_database_is_not_taken_for_a_damaged_one(tmp_path):
    holder, other = connect(tmp_path / "db"), connect(tmp_path / "db")
    other.execute("PRAGMA busy_timeout = 0")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked") as caught, sqlite_errors(tmp_path):
        other.execute("BEGIN IMMEDIATE")
    assert not is_damage(caught.value)
    holder.close()
    other.close()


def test_file_that_is_no_database_is_damage(tmp_path):
    (tmp_path / "db").write_bytes(b"no database " * 100)
    with pytest.raises(StoreDamaged) as caught, sqlite_errors(tmp_path):
        connect(tmp_path / "db")
    assert is_damage(caught.value)


@pytest.mark.parametrize(
    ("error", "damage"),
    [
        (ValueError("version 2"), True),
        (InvalidDigest("not a digest"), True),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), True),
        (PermissionError(), False),
        (MemoryError(), False),
        (DiskFull("no space left"), False),
    ],
)
def test_only_the_files_own_fault_is_damage(error, damage):
    assert is_damage(error) is damage
