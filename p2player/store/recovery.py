"""What happens between a start and the first request: the catalog and the blobs are brought to agree.

Blobs that have their row are taken at their size, so a start takes moments however much is stored. Only files without a
row are hashed: those of the moment before a crash, or all of them when the catalog was lost.
"""

import logging
from pathlib import Path

from p2player.errors import DiskFull
from p2player.oci.digest import Digest
from p2player.store.catalog import Catalog
from p2player.store.database import is_damage
from p2player.store.durable import make_directory
from p2player.store.hashing import hash_file
from p2player.store.inventory import Inventory
from p2player.store.layout import Layout
from p2player.store.rows import Entry, FileMark

log = logging.getLogger(__name__)


def open_catalog(path: Path, layout: Layout, quarantine: Path) -> Catalog:
    """Return the catalog at path, made anew if it is lost or damaged, with what index.json and origins.json list."""
    if path.exists():
        try:
            return Catalog.open(path)
        except Exception as error:
            if not is_damage(error):
                raise
            log.warning("the catalog is damaged and made anew: %r", error)
        _set_aside(path, quarantine)
    names, pins = layout.read_index()
    return Catalog.create(path, names, pins, layout.origins.read())


def _set_aside(path: Path, quarantine: Path) -> None:
    make_directory(quarantine)
    # The log goes first: SQLite would replay it into whatever database stands beside it.
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(quarantine / path.name)


def reconcile(inventory: Inventory) -> None:
    """Finish what a crash cut short, until blobs, catalog and index.json say the same."""
    inventory.sweep()
    adopted = _sort_out_pointers(inventory)
    known = {blob.digest: blob.size for blob in inventory.catalog.blobs() if blob.digest not in adopted}
    found = dict(inventory.layout.files())
    for digest in known.keys() - found.keys():
        log.warning("blob %s is gone from the disk", digest)
        inventory.drop(digest)
    unknown = sorted(digest for digest, size in found.items() if known.get(digest) != size)
    for number, digest in enumerate(unknown, start=1):
        path = inventory.layout.path(digest)
        log.info("hashing blob %s, %d of %d not in the catalog", digest, number, len(unknown))
        actual, tree = hash_file(path, digest.algorithm)
        if actual != digest:
            log.warning("blob %s has other content; moved to quarantine", digest)
            inventory.quarantine(digest)
        else:
            with inventory.change() as change:
                change.add(Entry.read(path, digest, tree))
    try:
        with inventory.change() as change:
            change.prune_origins()
            change.origins_changed = True  # the file may not be what the catalog last wrote
    except DiskFull as error:
        log.warning("origins.json stays as it was until the next start: %s", error)
    inventory.mirror()


def _sort_out_pointers(inventory: Inventory) -> set[Digest]:
    """Return the blobs whose files are somebody else's and still there as they were; the others are let go of."""
    adopted = inventory.catalog.adopted()
    good = set()
    for digest, target in list(inventory.layout.pointers()):
        if digest in adopted and FileMark.of(target) == adopted[digest].mark:
            good.add(digest)
        else:
            inventory.layout.unlink(digest)
    for digest in adopted.keys() - good:
        inventory.drop(digest)
    return good
