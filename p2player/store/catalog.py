"""The catalog: what is known of the blobs beyond their bytes, in SQLite.

Nothing in it is irreplaceable: it is made again from blobs, index.json, origins.json and bans.json when it is lost. One
connection writes and another reads, so that a look-up never waits for somebody's commit to reach the disk (WAL).
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.store import origins
from p2player.store.database import SCHEMA, check, connect, sqlite_errors
from p2player.store.origins import Origin
from p2player.store.rows import Adopted, Ban, Entry, FileMark, NameRow, StoredBlob

_BLOB = "SELECT digest, size, root, media_type FROM blobs"
_NAME = "SELECT scope, name, digest, media_type, size, record, issued FROM names"
# What a manifest needs, and what was attached to it (signatures, SBOMs), lives as long as it does.
_REACHED = (
    "WITH RECURSIVE reached (digest) AS (SELECT value FROM json_each(?)"
    " UNION SELECT child FROM reached JOIN edges ON parent = digest"
    " UNION SELECT referrer FROM reached JOIN subjects ON subject = digest) "
)


class Change:
    """One transaction: all that is asked of it happens when it ends, or nothing does."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.origins_changed = False

    def add(self, entry: Entry) -> None:
        """Enter a blob, in place of what was known of it."""
        blob, digest, now = entry.blob, str(entry.blob.digest), int(time.time())
        self._connection.execute(
            "INSERT OR REPLACE INTO blobs (digest, size, root, media_type, added, last_used, piece_layer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (digest, blob.size, blob.root, blob.media_type, now, now, entry.piece_layer),
        )
        self._connection.executemany("INSERT INTO edges VALUES (?, ?)", [(digest, str(it)) for it in entry.children])
        if entry.subject is not None:
            self._connection.execute("INSERT INTO subjects VALUES (?, ?)", (str(entry.subject), digest))
        self.origins_changed |= origins.inherit(self._connection, entry.blob.digest)
        self.removed(entry.blob.digest)

    def add_origin(self, origin: Origin) -> frozenset[Digest]:
        """Enter an origin, in place of what was known of it. Returns the digests that became private or ceased to be."""
        self.origins_changed = True
        return origins.enter(self._connection, origin)

    def prune_origins(self) -> None:
        """Forget whose a digest was that is neither here nor needed by what is."""
        self.origins_changed |= origins.prune(self._connection)

    def private_origins(self) -> list[Origin]:
        """Return all origins of each digest that has a private one, as they will be when this commits."""
        return origins.closed(self._connection)

    def drop(self, digest: Digest) -> None:
        """Forget a blob whose file is gone."""
        self._connection.execute("DELETE FROM blobs WHERE digest = ?", (str(digest),))

    def remove(self, digest: Digest) -> None:
        """Forget a blob, and that somebody seeded it, and note that its file is still to be removed."""
        self.drop(digest)
        origins.unseed(self._connection, digest)
        self._connection.execute("INSERT OR IGNORE INTO removals VALUES (?)", (str(digest),))

    def removed(self, digest: Digest) -> None:
        """Strike the note that `remove` made."""
        self._connection.execute("DELETE FROM removals WHERE digest = ?", (str(digest),))

    def set_name(self, row: NameRow) -> None:
        """Enter a name unless a newer meaning is known; of two equally new ones the later call wins."""
        descriptor = row.descriptor
        self._connection.execute(
            "INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest,"
            " media_type = excluded.media_type, size = excluded.size, record = excluded.record,"
            " issued = excluded.issued WHERE excluded.issued >= issued",
            (
                row.scope,
                row.name,
                str(descriptor.digest),
                descriptor.media_type,
                descriptor.size,
                row.record,
                row.issued,
            ),
        )

    def remove_name(self, scope: str, name: str) -> None:
        """Forget a name."""
        self._connection.execute("DELETE FROM names WHERE scope = ? AND name = ?", (scope, name))

    def adopt(self, digest: Digest, adopted: Adopted) -> None:
        """Note that the file of a blob that was just entered is somebody else's."""
        mark = adopted.mark
        self._connection.execute(
            "INSERT INTO adopted VALUES (?, ?, ?, ?, ?)",
            (str(digest), adopted.owner, mark.size, mark.mtime_ns, mark.inode),
        )

    def pin(self, digest: Digest) -> None:
        """Keep a blob, and what it needs, though no name reaches it."""
        self._connection.execute("INSERT OR IGNORE INTO pins VALUES (?)", (str(digest),))

    def unpin(self, digest: Digest) -> None:
        """Undo `pin`."""
        self._connection.execute("DELETE FROM pins WHERE digest = ?", (str(digest),))

    def set_bans(self, bans: Iterable[Ban]) -> None:
        """Enter these bans in place of all there were."""
        self._connection.execute("DELETE FROM bans")
        self._connection.executemany(
            "INSERT INTO bans VALUES (?, ?, ?)", [(ban.node, ban.reason, ban.at) for ban in bans]
        )


class Catalog:
    """An open catalog. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = connect(path)
        self._reader = connect(path)
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._used: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the catalog at path, read through once. An error for which `is_damage` holds says to make a new one."""
        catalog = cls(path)
        try:
            check(catalog._reader)
            # SQLite vouches for its pages, not for what is in them.
            for read in (catalog.blobs, catalog.names, catalog.pins, catalog.removals, catalog.banned, catalog.origins):
                read()
        except Exception:
            catalog._disconnect()
            raise
        return catalog

    @classmethod
    def create(cls, path: Path, names: Iterable[NameRow], pins: Iterable[Digest], known: Iterable[Origin] = ()) -> Self:
        """Return a new catalog that knows these names, pins and origins: all of them, or the file is none yet."""
        catalog = cls(path)
        with catalog.change() as change:
            for statement in SCHEMA.split(";"):
                catalog._writer.execute(statement)
            for row in names:
                change.set_name(row)
            for digest in pins:
                change.pin(digest)
            for origin in known:
                change.add_origin(origin)
        return catalog

    def close(self) -> None:
        """Write what is still to be written, wait for whoever is reading or writing, and let go of the file."""
        try:
            self._write_uses()
        finally:
            self._disconnect()

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Return a transaction that commits, down to the disk, when the block ends, and is undone if it fails.

        Raises DiskFull, or StoreDamaged if the file turns out to be damaged.
        """
        with self._write_lock, sqlite_errors(self._path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                while self._used:
                    digest, at = self._used.popitem()
                    self._writer.execute("UPDATE blobs SET last_used = ? WHERE digest = ?", (at, digest))
                yield Change(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def touch(self, digest: Digest) -> None:
        """Note that a blob was used just now. Written along with the next change: losing it costs nothing."""
        self._used[str(digest)] = int(time.time())

    def get(self, digest: Digest) -> StoredBlob | None:
        """Return what is known of a blob, or None."""
        rows = self._read(f"{_BLOB} WHERE digest = ?", str(digest))
        return _blob(rows[0]) if rows else None

    def piece_layer(self, digest: Digest) -> bytes | None:
        """Return a blob's piece layer, or None."""
        rows = self._read("SELECT piece_layer FROM blobs WHERE digest = ?", str(digest))
        return bytes(rows[0][0]) if rows else None

    def blobs(self) -> list[StoredBlob]:
        """Return all blobs in the order of their digests."""
        return [_blob(row) for row in self._read(f"{_BLOB} ORDER BY digest")]

    def names(self) -> list[NameRow]:
        """Return all names in their order."""
        return [_name(row) for row in self._read(f"{_NAME} ORDER BY scope, name")]

    def name(self, scope: str, name: str) -> NameRow | None:
        """Return what a name means, or None."""
        rows = self._read(f"{_NAME} WHERE scope = ? AND name = ?", scope, name)
        return _name(rows[0]) if rows else None

    def pins(self) -> list[Digest]:
        """Return the digests that are kept without a name."""
        return [Digest.parse(digest) for (digest,) in self._read("SELECT digest FROM pins ORDER BY digest")]

    def adopted(self) -> dict[Digest, Adopted]:
        """Return the blobs whose files are somebody else's."""
        rows = self._read("SELECT digest, owner, size, mtime_ns, inode FROM adopted")
        return {Digest.parse(digest): Adopted(owner, FileMark(*mark)) for digest, owner, *mark in rows}

    def removals(self) -> list[Digest]:
        """Return the digests whose files are still to be removed."""
        return [Digest.parse(digest) for (digest,) in self._read("SELECT digest FROM removals")]

    def referrers(self, subject: Digest) -> list[Digest]:
        """Return the manifests that say something about subject."""
        rows = self._read("SELECT referrer FROM subjects WHERE subject = ? ORDER BY referrer", str(subject))
        return [Digest.parse(digest) for (digest,) in rows]

    def reached(self, roots: Iterable[Digest]) -> dict[Digest, int]:
        """Return the blobs here that belong to roots, themselves included, with their sizes in bytes."""
        statement = f"{_REACHED}SELECT digest, size FROM blobs JOIN reached USING (digest)"  # noqa: S608  (constants)
        rows = self._read(statement, _list(roots))
        return {Digest.parse(digest): size for digest, size in rows}

    def unreached(self, roots: Iterable[Digest]) -> list[StoredBlob]:
        """Return the blobs that belong to none of roots, those longest unused first."""
        self._write_uses()
        rows = self._read(f"{_REACHED}{_BLOB} WHERE digest NOT IN reached ORDER BY last_used, digest", _list(roots))
        return [_blob(row) for row in rows]

    def origins(self, digest: Digest | None = None) -> list[Origin]:
        """Return the origins of a digest, or all there are."""
        statement = "SELECT digest, repository, private FROM origins"
        rows = self._read(f"{statement} WHERE digest = ?", str(digest)) if digest else self._read(statement)
        return [origins.origin_of(row) for row in rows]

    def is_private(self, digest: Digest) -> bool:
        """Tell whether a digest has origins and all of them are private."""
        return self._read("SELECT MIN(private) FROM origins WHERE digest = ?", str(digest)) == [(1,)]

    def private_repositories(self) -> frozenset[str]:
        """Return the repositories that have required a login for something known here."""
        return frozenset(repository for (repository,) in self._read("SELECT repository FROM origins WHERE private"))

    def banned(self) -> list[Ban]:
        """Return the nodes that lied."""
        rows = self._read("SELECT node, reason, at FROM bans")
        return [Ban(bytes(node), str(reason), int(at)) for node, reason, at in rows]

    def _read(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self._read_lock, sqlite_errors(self._path):
            return self._reader.execute(statement, values).fetchall()

    def _disconnect(self) -> None:
        # A connection closed under a thread that is still reading takes the whole process with it.
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _write_uses(self) -> None:
        if self._used:
            with self.change():
                pass


def _blob(row: tuple[Any, ...]) -> StoredBlob:
    digest, size, root, media_type = row
    return StoredBlob(Digest.parse(digest), size, root, media_type)


def _name(row: tuple[Any, ...]) -> NameRow:
    scope, name, digest, media_type, size, record, issued = row
    return NameRow(scope, name, Descriptor(media_type, Digest.parse(digest), size), record, issued)


def _list(digests: Iterable[Digest]) -> str:
    return json.dumps([str(digest) for digest in digests])
