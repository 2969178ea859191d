"""The SQLite file under the catalog: its tables, how it is opened, and what its errors mean here."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2player.errors import DiskFull, StorageError, StoreDamaged
from p2player.store.durable import DISK_HINT, SPACE_HINT

VERSION = 2
# In blobs the piece layer stands last: SQLite reads the long tail of a row only when it is asked for.
SCHEMA = f"""
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, media_type TEXT,
    added INTEGER NOT NULL, last_used INTEGER NOT NULL, piece_layer BLOB NOT NULL);
CREATE TABLE edges (
    parent TEXT REFERENCES blobs ON DELETE CASCADE, child TEXT,
    PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE TABLE subjects (
    subject TEXT, referrer TEXT UNIQUE REFERENCES blobs ON DELETE CASCADE,
    PRIMARY KEY (subject, referrer)) WITHOUT ROWID;
CREATE TABLE names (
    scope TEXT, name TEXT, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    record BLOB NOT NULL, issued INTEGER NOT NULL,
    PRIMARY KEY (scope, name)) WITHOUT ROWID;
CREATE TABLE pins (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE removals (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE origins (
    digest TEXT, repository TEXT, private INTEGER NOT NULL,
    PRIMARY KEY (digest, repository)) WITHOUT ROWID;
CREATE TABLE adopted (
    digest TEXT PRIMARY KEY REFERENCES blobs ON DELETE CASCADE, owner TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE bans (node BLOB PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION}
"""
_DISK = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection on which every commit waits for the disk; for use under a lock, by any thread."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except Exception:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Raise ValueError if the file is of another version, or damaged as far as SQLite itself can tell."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise ValueError(f"version {version}")
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if finding != "ok":
        raise ValueError(finding)


def is_damage(error: Exception) -> bool:
    """Tell whether error, met while reading through the file, is the file's own fault and not the moment's."""
    if isinstance(error, StorageError):
        return isinstance(error, StoreDamaged)
    return not isinstance(error, (OSError, MemoryError)) and _code(error) not in _PASSING


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's "disk full" into DiskFull, its complaints about the file into StoreDamaged, about the disk into StorageError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code == sqlite3.SQLITE_FULL:
            raise DiskFull(f"no space left while writing {path}", hint=SPACE_HINT) from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            hint = "start the daemon again: the catalog is then made anew from the blobs"
            raise StoreDamaged(f"{path} is damaged: {error}", hint=hint) from error
        if code in _DISK:
            raise StorageError(f"{path} cannot be used: {error}", hint=DISK_HINT) from error
        raise


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
