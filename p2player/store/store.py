"""The blobs a node holds. Nothing is among them before its whole digest has matched.

    <data>/lock           held by the one process that uses the directory
    <data>/catalog.db     sizes, hash trees, manifest edges, names, bans (see catalog.py)
    <data>/bans.json      the bans once more (see bans.py)
    <data>/store/         the blobs, an OCI image layout (see layout.py), and whose they are (see origins.py)
    <data>/staging/       what is being written; emptied at every start
    <data>/quarantine/    files that turned out damaged

How these stay in step through a crash is told in inventory.py and recovery.py. The methods may be called from any
thread; those that write wait for the disk.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from p2player.errors import BlobNotFound, DigestMismatch, StorageError
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document
from p2player.store import removal
from p2player.store.adopted import AdoptedBlobs
from p2player.store.bans import Bans
from p2player.store.durable import disk_errors, sync_file
from p2player.store.hashing import BlobHasher
from p2player.store.imports import Import
from p2player.store.inventory import Inventory
from p2player.store.layout import Layout
from p2player.store.lock import DirectoryLock
from p2player.store.merkle import MerkleTree
from p2player.store.origins import Origin
from p2player.store.recovery import open_catalog, reconcile
from p2player.store.rows import Ban, Entry, NameRow, StoredBlob
from p2player.store.staging import Staged, Staging
from p2player.store.verify import Checked, check, verify

DEFAULT_RESERVE = 256 * 1024 * 1024


class Store:
    """An open data directory."""

    def __init__(self, inventory: Inventory, staging: Staging, bans: Bans, held: ExitStack) -> None:
        self._inventory = inventory
        self._catalog = inventory.catalog
        self._layout = inventory.layout
        self._staging = staging
        self._bans = bans
        self._held = held

    @classmethod
    def open(cls, data_dir: Path, *, reserve: int = DEFAULT_RESERVE) -> Self:
        """Return the store of data_dir, made on first use and mended if need be; reserve bytes of disk stay free.

        Raises StoreLocked if another process has it open, or StorageError if the directory cannot be used.
        """
        try:
            return cls._open(data_dir, reserve)
        except OSError as error:
            raise StorageError(
                f"{data_dir} cannot be used: {error}", hint="choose another directory with --data-dir"
            ) from error

    @classmethod
    def _open(cls, data_dir: Path, reserve: int) -> Self:
        quarantine = data_dir / "quarantine"
        with ExitStack() as undo:
            data_dir.mkdir(parents=True, exist_ok=True)
            lock = DirectoryLock(data_dir / "lock")
            undo.callback(lock.release)
            staging = Staging(data_dir / "staging", reserve)
            staging.clear()
            layout = Layout(data_dir / "store")
            layout.prepare()
            catalog = open_catalog(data_dir / "catalog.db", layout, quarantine)
            undo.callback(catalog.close)
            inventory = Inventory(layout, catalog, quarantine)
            reconcile(inventory)
            bans = Bans(data_dir / "bans.json", catalog)
            return cls(inventory, staging, bans, undo.pop_all())

    def close(self) -> None:
        """Let go of the data directory."""
        self._held.close()

    def get(self, digest: Digest) -> StoredBlob | None:
        """Return the blob if it is here, or None. Asking for a blob counts as using it."""
        blob = self._catalog.get(digest)
        if blob:
            self._catalog.touch(digest)
        return blob

    def path(self, digest: Digest) -> Path:
        """Return the file that holds the blob, if it is here."""
        return self._layout.path(digest)

    def piece_layer(self, digest: Digest) -> bytes:
        """Return the hashes of a blob's pieces, none for a blob of one piece. Raises BlobNotFound."""
        layer = self._catalog.piece_layer(digest)
        if layer is None:
            raise BlobNotFound(f"no blob {digest} here")
        return layer

    def blobs(self) -> list[StoredBlob]:
        """Return all blobs in the order of their digests."""
        return self._catalog.blobs()

    def document(self, digest: Digest) -> Document | None:
        """Return the manifest or index if it is here and is one, or None. A damaged one is taken out, as if not here."""
        self._catalog.touch(digest)
        return self._inventory.document(digest)

    def referrers(self, subject: Digest) -> list[Document]:
        """Return the manifests here that say something about subject."""
        return [document for digest in self._catalog.referrers(subject) if (document := self.document(digest))]

    def put(self, digest: Digest, data: bytes) -> StoredBlob:
        """Keep a small blob that is in memory. Raises DigestMismatch or DiskFull."""
        if blob := self.get(digest):
            return blob
        hasher = BlobHasher(digest.algorithm)
        hasher.update(data)
        actual, tree = hasher.finish()
        if actual != digest:
            raise DigestMismatch(f"a blob named {digest} has the content of {actual}")
        staged = self.stage(digest, len(data))
        try:
            with disk_errors(staged.path):
                staged.path.write_bytes(data)
            return self.adopt(staged, tree)
        finally:
            staged.discard()

    def stage(self, digest: Digest, size: int) -> Staged:
        """Return a place outside the blobs to write a blob of size bytes to. Raises DiskFull."""
        return self._staging.stage(digest, size)

    def adopt(self, staged: Staged, tree: MerkleTree) -> StoredBlob:
        """Keep a staged blob, whose whole digest the caller has seen to match and whose tree this is.

        The staged file stays where it is, for those who have it open, until it is discarded. Raises DigestMismatch if
        its size is not the tree's: not all of it has been written.
        """
        with disk_errors(staged.path):
            size = staged.path.stat().st_size
            if size != tree.size:
                raise DigestMismatch(f"blob {staged.digest} has {size} bytes on disk and {tree.size} in its hash tree")
            sync_file(staged.path)
            entry = Entry.read(staged.path, staged.digest, tree)
        self._inventory.publish([(staged.path, entry)])
        return entry.blob

    @property
    def adopted(self) -> AdoptedBlobs:
        """The blobs that lie in somebody else's store."""
        return AdoptedBlobs(self._inventory)

    def begin_import(self) -> Import:
        """Return an import, by which several blobs and their names come in together."""
        return Import(self._inventory, self._staging)

    def names(self) -> list[NameRow]:
        """Return all names in their order."""
        return self._catalog.names()

    def name(self, scope: str, name: str) -> NameRow | None:
        """Return what a name means here, or None."""
        return self._catalog.name(scope, name)

    def set_name(self, row: NameRow) -> None:
        """Keep what a name means, unless a newer meaning is known."""
        if self.name(row.scope, row.name) != row:
            self._inventory.publish([], [row])

    def remove_name(self, scope: str, name: str) -> None:
        """Forget a name; its blobs stay, unreached."""
        self._inventory.remove([], name=(scope, name))

    def remove_image(self, scope: str, name: str) -> removal.Removed:
        """Take out a name and every blob of its image that no other name or pin reaches. Raises ReferenceNotFound."""
        return removal.remove_image(self._inventory, scope, name)

    def remove_blob(self, digest: Digest) -> removal.Removed:
        """Take out a blob and what only it needs. Raises BlobNotFound, or BadInput if it belongs to an image."""
        return removal.remove_blob(self._inventory, digest)

    def remove(self, digests: Sequence[Digest]) -> None:
        """Take out blobs, whoever needs them."""
        self._inventory.remove(digests)

    def unreachable(self) -> list[StoredBlob]:
        """Return the blobs of our own that no name or pin reaches, those longest unused first."""
        adopted = self._catalog.adopted()
        unreached = self._catalog.unreached(removal.roots(self._catalog))
        return [blob for blob in unreached if blob.digest not in adopted]

    def verify(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Checked]:
        """Hash every blob again and return what is found, blob by blob; progress hears of bytes as they are hashed."""
        return verify(self._inventory, progress)

    def check(self, blob: StoredBlob, progress: Callable[[int], None] = lambda _: None) -> Checked | None:
        """Hash one blob again and return what is found, None if it has been removed; see `verify`."""
        return check(self._inventory, blob, progress)

    def add_origin(self, digest: Digest, repository: str, private: bool) -> frozenset[Digest]:
        """Note that a repository has a digest, here or not yet, and whether it requires a login for it.

        Returns the digests that became private by it, or ceased to be. Raises DiskFull: it must not be kept then.
        """
        return self._inventory.add_origin(Origin(digest, repository, private))

    def origins(self, digest: Digest) -> list[tuple[str, bool]]:
        """Return the repositories known to have a digest, and whether each requires a login for it."""
        return [(origin.repository, origin.private) for origin in self._catalog.origins(digest)]

    def is_private(self, digest: Digest) -> bool:
        """Tell whether a digest is known only from repositories that require a login."""
        return self._catalog.is_private(digest)

    def private_repositories(self) -> frozenset[str]:
        """Return the repositories that have required a login for something known here."""
        return self._catalog.private_repositories()

    def ban(self, node: bytes, reason: str) -> None:
        """Remember that a node lied, for good; of several reasons the first."""
        self._bans.add(node, reason)

    def unban(self, node: bytes) -> bool:
        """Forgive a node, and tell whether it was banned. Raises StorageError: it stays banned then."""
        return self._bans.lift(node)

    def bans(self) -> frozenset[bytes]:
        """Return the nodes that lied. Costs nothing."""
        return self._bans.nodes

    def banned(self) -> tuple[Ban, ...]:
        """Return all bans, the oldest first."""
        return self._bans.all()
