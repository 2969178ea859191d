"""What this node holds, made known: seeded in its swarms, announced in the DHT, its names published."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from p2player.dht.discovery import Discovery
from p2player.dht.records import NameRecord, RecordError
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity
from p2player.peer.protocol import SMALL_BLOB
from p2player.store.rows import NameRow, StoredBlob
from p2player.store.store import Store
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Swarms
from p2player.swarm.realm import Realm

log = logging.getLogger(__name__)

_AT_ONCE = 16
REFERRERS: Final = "referrers:"
"""How a scope begins that is no repository: see `referrers_scope`."""


def referrers_scope(subject: Digest) -> str:
    """Return the scope under which the manifests that speak of subject are published."""
    return f"{REFERRERS}{subject}"


class Holdings:
    """The bridge from the store to the cluster."""

    def __init__(
        self,
        store: Store,
        swarms: Swarms,
        discovery: Discovery,
        identity: Identity,
        realms: Callable[[], Sequence[Realm]],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._swarms = swarms
        self._discovery = discovery
        self._identity = identity
        self._realms = realms
        self._seeded_in = frozenset(realms())
        self._now_ms = now_ms
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def shares(self, digest: Digest) -> bool:
        """Tell whether other nodes may have it. What is private leaves this node only in a cluster with a secret."""
        return not self._realms()[0].is_open or not self._store.is_private(digest)

    def metainfo(self, blob: StoredBlob) -> Metainfo:
        """Return the torrent of a held blob, in the current realm."""
        return _in_realm(blob, self._realms()[0])

    def small(self, digest: Digest) -> bytes | None:
        """Return a held blob that is small enough for the peer interface, or None. One that the disk has spoilt is not here."""
        blob = self._store.get(digest)
        if blob is None or blob.size > SMALL_BLOB or not self.shares(digest):
            return None
        try:
            data = self._store.path(digest).read_bytes()
        except OSError:
            return None
        # Whoever was given other bytes would take this node for a liar.
        return data if digest.matches(data) else None

    def seed(self, blobs: Iterable[StoredBlob]) -> None:
        """Serve blobs in their swarms from now on; the small ones are served by the peer interface as they are."""
        for blob in blobs:
            if blob.size > SMALL_BLOB and self.shares(blob.digest):
                path, piece_layer = self._store.path(blob.digest), self._store.piece_layer(blob.digest)
                for realm in self._seeded_in:
                    self._swarms.seed(_in_realm(blob, realm), path, piece_layer)

    def follow_realms(self) -> None:
        """Seed in the realms that are accepted now, and no longer in those that were."""
        before, self._seeded_in = self._seeded_in, frozenset(self._realms())
        blobs = self._store.blobs()
        for realm in before - self._seeded_in:
            for blob in blobs:
                self._swarms.stop_seeding(_in_realm(blob, realm))
        if self._seeded_in - before:
            self.seed(blobs)

    async def add(self, blobs: Sequence[StoredBlob]) -> None:
        """Seed and announce blobs that the store has taken in."""
        self.seed(blobs)
        await self.announce(blobs)

    async def announce(self, blobs: Sequence[StoredBlob]) -> None:
        """Tell the cluster that these are held here, and what they say about other blobs."""
        await asyncio.gather(*(self._announce(blob) for blob in blobs))

    async def _announce(self, blob: StoredBlob) -> None:
        async with self._slots:
            # It may be many seconds since these blobs were listed.
            if not (self.shares(blob.digest) and self._store.path(blob.digest).exists()):
                return
            is_private = self._store.is_private(blob.digest)
            await self._discovery.announce(blob.digest, blob.size, blob.root, complete=True, private=is_private)
            if blob.media_type and (document := self._store.document(blob.digest)) and document.content.subject:
                scope = referrers_scope(document.content.subject.digest)
                await self._discovery.publish(self._sign(scope, str(blob.digest), document.descriptor))

    async def announce_partial(self, digest: Digest, size: int, root: bytes) -> None:
        """Tell the cluster that this node is fetching a blob, and has pieces of it to give; without a root, its front."""
        if self.shares(digest):
            await self._discovery.announce(digest, size, root, complete=False, private=self._store.is_private(digest))

    async def withdraw(self, digests: Iterable[Digest]) -> None:
        """Tell the cluster that these are not, or no longer, held here."""
        await asyncio.gather(*(self._discovery.withdraw(digest) for digest in digests))

    async def drop(self, blobs: Sequence[StoredBlob]) -> None:
        """Stop seeding and announcing blobs that are about to leave the store, or have left it."""
        for blob in blobs:
            for realm in self._seeded_in:
                self._swarms.stop_seeding(_in_realm(blob, realm))
        await self.withdraw(blob.digest for blob in blobs)

    def name_row(self, reference: Reference, descriptor: Descriptor, *, upstream: bool = False) -> NameRow:
        """Return a newly signed name that makes the tag of reference mean descriptor; `upstream`: its registry says so."""
        if reference.tag is None:
            raise ValueError("only a tag can be published")
        record = self._sign(str(reference.repository), reference.tag, descriptor, upstream=upstream)
        return row_of(record)

    async def publish(self, row: NameRow) -> None:
        """Make a name that was just given here hold in the whole cluster, whatever it meant there."""
        newer = await self._discovery.publish(NameRecord.unpack(row.record))
        if newer is not None:
            # Dated later by a clock that is ahead of this one, or taken back within the same millisecond.
            record = self._sign(row.scope, row.name, row.descriptor, after=newer.issued)
            await asyncio.to_thread(self._store.set_name, row_of(record))
            await self._discovery.publish(record)

    async def republish(self, row: NameRow) -> None:
        """Share a name that is kept here; if the cluster has a newer meaning of it, that one is kept from now on.

        That of a private image is shared only where the image is.
        """
        if not self.shares(row.descriptor.digest):
            return
        if (record := record_of(row)) is None:
            log.warning("the name %s has no valid signature and is not shared", row.reference)
            return
        newer = await self._discovery.publish(record)
        if newer is not None and not newer.withdrawn:
            await asyncio.to_thread(self._store.set_name, row_of(newer))

    async def unpublish(self, reference: Reference) -> None:
        """Take a tag back from the cluster if it was seeded here; another publisher's stays, or what a registry says."""
        row = self._store.name(str(reference.repository), reference.tag or "")
        if row is None or not self._is_own(record_of(row)):
            return
        # Somebody may have published it since: to take back what was said here would take back that as well.
        newest = await self._discovery.resolve(row.scope, row.name)
        if newest is None or self._is_own(newest):
            await self._discovery.publish(self._sign(row.scope, row.name, row.descriptor, withdrawn=True))

    def _is_own(self, record: NameRecord | None) -> bool:
        return record is not None and record.public_key == self._identity.public_key and not record.upstream

    def _sign(
        self,
        scope: str,
        name: str,
        descriptor: Descriptor,
        *,
        after: int = 0,
        withdrawn: bool = False,
        upstream: bool = False,
    ) -> NameRecord:
        known = self._store.name(scope, name)
        return NameRecord.make(
            self._identity,
            scope=scope,
            name=name,
            digest=descriptor.digest,
            media_type=descriptor.media_type,
            size=descriptor.size,
            # Newer than what it replaces even when this clock is behind the other publisher's.
            issued=max(self._now_ms(), known.issued + 1 if known else 0, after + 1),
            withdrawn=withdrawn,
            upstream=upstream,
        )


def _in_realm(blob: StoredBlob, realm: Realm) -> Metainfo:
    return Metainfo(blob.digest, blob.size, blob.root, realm)


def row_of(record: NameRecord) -> NameRow:
    """Return a published name as the store keeps it."""
    descriptor = Descriptor(record.media_type, record.digest, record.size)
    return NameRow(record.scope, record.name, descriptor, record.pack(), record.issued)


def record_of(row: NameRow) -> NameRecord | None:
    """Return the record by which the cluster knows a name, or None if it has no valid one."""
    try:
        return NameRecord.unpack(row.record)
    except RecordError:
        return None
