"""From which repositories a digest is known, and so whether it is private: to be given only to who may have it there.

A digest is private if it has origins and all of them are. `origins.json` beside index.json mirrors the origins of every
digest that has a private one, and is written before the catalog commits: whatever is lost, what was private stays so.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from p2player.errors import InvalidDigest, InvalidManifest, StoreDamaged
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import JsonObject
from p2player.store.durable import replace_file

SEEDED: Final = ""
"""The origin of what was brought in by hand, for all of the cluster to have; a private one says "whose, nobody knows"."""

_COVERED = (
    "WITH RECURSIVE covered (digest) AS (VALUES (?) UNION SELECT child FROM covered JOIN edges ON parent = digest)"
    " SELECT digest FROM covered"
)
_ENTER = "INSERT OR IGNORE INTO origins VALUES (?, ?, ?)"
_CLOSED = "SELECT digest, repository, private FROM origins WHERE digest IN (SELECT digest FROM origins WHERE private)"


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository that has a digest, and whether it requires a login for it."""

    digest: Digest
    repository: str
    private: bool


def enter(connection: sqlite3.Connection, origin: Origin) -> frozenset[Digest]:
    """Enter an origin in place of what was known of it, and return the digests that are private now or were till now.

    What a manifest needs belongs to its private repository too, and is seeded with it. But that a public repository
    gives out a manifest does not prove that it has all that the manifest names.
    """
    digest = str(origin.digest)
    covered = _covered(connection, digest) if _reaches(origin.repository, origin.private) else [digest]
    before = _private(connection, covered)
    connection.execute(
        "INSERT INTO origins VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET private = excluded.private",
        (digest, origin.repository, origin.private),
    )
    connection.executemany(_ENTER, [(it, origin.repository, origin.private) for it in covered])
    return frozenset(map(Digest.parse, before ^ _private(connection, covered)))


def inherit(connection: sqlite3.Connection, manifest: Digest) -> bool:
    """Enter for what a manifest needs, which was not known before it came, the origins that reach so far.

    Returns whether any of that is new.
    """
    rows = connection.execute("SELECT repository, private FROM origins WHERE digest = ?", (str(manifest),)).fetchall()
    if not (reaching := [row for row in rows if _reaches(*row)]):
        return False
    covered = _covered(connection, str(manifest))
    cursor = connection.executemany(_ENTER, [(digest, *row) for digest in covered for row in reaching])
    return cursor.rowcount > 0


def unseed(connection: sqlite3.Connection, digest: Digest) -> None:
    """Forget that somebody brought a digest in by hand."""
    connection.execute("DELETE FROM origins WHERE digest = ? AND repository = ? AND NOT private", (str(digest), SEEDED))


def prune(connection: sqlite3.Connection) -> bool:
    """Forget the origins of what is neither here nor needed by what is here; returns whether there were any."""
    cursor = connection.execute(
        "DELETE FROM origins WHERE digest NOT IN (SELECT digest FROM blobs UNION SELECT child FROM edges)"
    )
    return cursor.rowcount > 0


def closed(connection: sqlite3.Connection) -> list[Origin]:
    """Return all origins of each digest that has a private one."""
    return [origin_of(row) for row in connection.execute(f"{_CLOSED} ORDER BY digest, repository")]


def origin_of(row: tuple[Any, ...]) -> Origin:
    """Return the origin that a row of the table says."""
    digest, repository, private = row
    return Origin(Digest.parse(digest), repository, bool(private))


class OriginsFile:
    """The mirror of what the catalog knows of private digests."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, origins: Iterable[Origin]) -> None:
        """Make the file say these. Writes nothing if it does already, or if there is nothing to say. Raises DiskFull."""
        by_digest: dict[str, dict[str, list[str]]] = {}
        for origin in origins:
            known = by_digest.setdefault(str(origin.digest), {"private": [], "public": []})
            known["private" if origin.private else "public"].append(origin.repository)
        data = _json([{"digest": digest, **known} for digest, known in by_digest.items()])
        if data != (self._path.read_bytes() if self._path.exists() else _json([])):
            replace_file(self._path, data)

    def read(self) -> list[Origin]:
        """Return what the file says. Raises StoreDamaged: to go on without it could give away what is private."""
        try:
            entries = JsonObject.parse(self._path.read_bytes(), self._path.name, InvalidManifest).objects("origins")
            return [
                Origin(digest, repository, private)
                for entry in entries
                for digest in [Digest.parse(entry.text("digest"))]
                for private in (True, False)
                for repository in entry.texts("private" if private else "public")
            ]
        except FileNotFoundError:
            return []
        except (InvalidManifest, InvalidDigest) as error:
            raise StoreDamaged(
                f"{self._path} cannot be read, and only it tells what is private: {error}",
                hint="remove it if nothing here is private, and the whole data directory otherwise",
            ) from error


def _json(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"origins": entries}, indent=1).encode()


def _reaches(repository: str, private: bool) -> bool:
    return private or repository == SEEDED


def _covered(connection: sqlite3.Connection, digest: str) -> list[str]:
    return [row[0] for row in connection.execute(_COVERED, (digest,))]


def _private(connection: sqlite3.Connection, digests: list[str]) -> set[str]:
    rows = connection.execute(
        "SELECT digest FROM origins WHERE digest IN (SELECT value FROM json_each(?)) GROUP BY digest HAVING MIN(private)",
        (json.dumps(digests),),
    )
    return {row[0] for row in rows}
