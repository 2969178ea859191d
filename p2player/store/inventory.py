"""Blob files, catalog and index.json, changed together in the order that survives a crash.

Whatever the moment the process dies, the next start comes to a store in which every blob is whole and every image that
has a name was published completely:

- publish: sync the file, link it among the blobs, sync the directory, commit the rows, write index.json. If rows say
  that something is private, origins.json says so before they are committed.
  Died before the commit: the file has no row; it is hashed and entered, or moved to quarantine. Names come with the
  rows, so no image is there in part. Died after it: index.json is written again from the catalog.
- remove: commit (row gone, removal noted), write index.json, remove the file, strike the note.
  Died in between: the removals noted are made good. A file that was removed never comes back.
- quarantine: move the file, drop the row. Died in between: a row without a file is dropped.
"""

import errno
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from p2player.errors import DigestMismatch, DiskFull
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document
from p2player.store.catalog import Catalog, Change
from p2player.store.durable import disk_errors, make_directory
from p2player.store.layout import Layout
from p2player.store.origins import SEEDED, Origin
from p2player.store.rows import Entry, NameRow

log = logging.getLogger(__name__)


class Inventory:
    """The one writer of what is in the store. `lock` makes several of its steps one."""

    def __init__(self, layout: Layout, catalog: Catalog, quarantine: Path) -> None:
        self.layout = layout
        self.catalog = catalog
        self.lock = threading.RLock()
        self._quarantine = quarantine

    def document(self, digest: Digest) -> Document | None:
        """Return the manifest or index if it is here and is one, or None. A damaged one is taken out, as if not here."""
        blob = self.catalog.get(digest)
        if blob is None or blob.media_type is None:
            return None
        try:
            return Document.parse(self.layout.path(digest).read_bytes(), digest=digest)
        except (OSError, DigestMismatch) as error:
            if isinstance(error, OSError) and error.errno not in {errno.ENOENT, errno.EIO}:
                raise
            log.warning("manifest %s is damaged: %s", digest, error)
            self.quarantine(digest)
            return None

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Return a transaction; what it says of origins is in origins.json before it commits. Raises DiskFull."""
        with self.lock, self.catalog.change() as change:
            yield change
            if change.origins_changed:
                self.layout.origins.write(change.private_origins())

    def publish(
        self,
        files: Sequence[tuple[Path, Entry]],
        names: Sequence[NameRow] = (),
        pins: Sequence[Digest] = (),
        seeded: Sequence[Digest] = (),
    ) -> frozenset[Digest]:
        """Let these verified, synced files and these names in: all of them or, if it fails, none.

        `seeded` are those brought in by hand. Returns the digests that are private no more because of that.
        """
        with self.lock:
            new = [(path, entry) for path, entry in files if not self.owns(entry.blob.digest)]
            digests = [entry.blob.digest for _, entry in new]
            pointers = {digest: target for digest in digests if (target := self.layout.pointer(digest))}
            try:
                with disk_errors(self.layout.root):
                    for path, entry in new:
                        self.layout.link(path, entry.blob.digest)
                    self.layout.sync(digests)
                changed: set[Digest] = set()
                with self.change() as change:
                    for _, entry in new:
                        change.add(entry)
                    for digest in seeded:
                        changed |= change.add_origin(Origin(digest, SEEDED, private=False))
                    for row in names:
                        change.set_name(row)
                    for digest in pins:
                        change.pin(digest)
            except BaseException:
                for digest in digests:
                    self.layout.unlink(digest)
                for digest, target in pointers.items():
                    self.layout.point(digest, target)
                raise
            if names or pins:
                self.mirror()
            return frozenset(changed)

    def add_origin(self, origin: Origin) -> frozenset[Digest]:
        """Note whose a digest is. Returns the digests that became private, or ceased to be. Raises DiskFull."""
        with self.lock:
            if origin in self.catalog.origins(origin.digest):
                return frozenset()
            with self.change() as change:
                return change.add_origin(origin)

    def remove(self, digests: Sequence[Digest], *, name: tuple[str, str] | None = None) -> None:
        """Take blobs out, their pins with them, and a (scope, name) along."""
        with self.lock:
            with self.catalog.change() as change:
                if name:
                    change.remove_name(*name)
                for digest in digests:
                    change.unpin(digest)
                    change.remove(digest)
            self.mirror()
            self.sweep()

    def sweep(self) -> None:
        """Remove the files of blobs that were taken out."""
        with self.lock:
            if not (digests := self.catalog.removals()):
                return
            for digest in digests:
                self.layout.unlink(digest)
            self.layout.sync(digests)
            with self.catalog.change() as change:
                for digest in digests:
                    change.removed(digest)

    def quarantine(self, digest: Digest) -> None:
        """Move a file that is not what its name says, if it is there, out of the blobs, for people to look at.

        Somebody else's file stays where it is; only our link to it goes.
        """
        with self.lock:
            if self.layout.pointer(digest):
                self.layout.unlink(digest)
            make_directory(self._quarantine)
            with suppress(FileNotFoundError):
                self.layout.path(digest).replace(self._quarantine / f"{digest.algorithm}-{digest.hex}")
            self.drop(digest)

    def drop(self, digest: Digest) -> None:
        """Forget a blob whose file is gone."""
        with self.lock, self.catalog.change() as change:
            change.drop(digest)

    def mirror(self) -> None:
        """Make index.json list what the catalog says keeps blobs alive."""
        with self.lock:
            pinned = filter(None, map(self.catalog.get, self.catalog.pins()))
            try:
                self.layout.write_index(self.catalog.names(), pinned)
            except DiskFull as error:
                # The catalog decides; and a removal, which makes room, must not fail for want of it.
                log.warning("index.json stays as it was until the next change: %s", error)

    def owns(self, digest: Digest) -> bool:
        """Tell whether a blob is here in a file of our own. Somebody else's may be gone tomorrow."""
        return self.catalog.get(digest) is not None and self.layout.holds(digest)
