"""A daemon whose cluster is a dictionary: the twin of a node, for tests of the control interface and command line."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from p2player.config import Config
from p2player.control.ports import Progress
from p2player.counters import Counters
from p2player.errors import BlobNotFound, P2PlayerError, PeerUnreachable, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document, Index
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity, NodeId
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.tls import ClusterTls
from p2player.pull.events import BlobProgress, PullResult
from p2player.pull.journal import HistoryEntry
from p2player.pull.why import Explanation
from p2player.store.rows import NameRow, StoredBlob
from p2player.store.store import Store
from p2player.swarm.metainfo import Metainfo

_PEER = "neighbour"


class MemoryHoldings:
    """Remembers what is offered and what is published."""

    def __init__(self, store: Store) -> None:
        self.offered: set[Digest] = set()
        self.published: dict[str, NameRow] = {}
        self._store = store
        self._issued = count(1)

    def metainfo(self, blob: StoredBlob) -> Metainfo:
        """Return the torrent of a blob of the store."""
        return Metainfo(blob.digest, blob.size, blob.root)

    def name_row(self, reference: Reference, descriptor: Descriptor) -> NameRow:
        """Return a name that makes the tag of reference mean descriptor, newer than any before."""
        return NameRow(str(reference.repository), reference.tag or "", descriptor, b"", next(self._issued))

    async def add(self, blobs: Sequence[StoredBlob]) -> None:
        """Offer blobs."""
        self.offered.update(blob.digest for blob in blobs)

    async def drop(self, blobs: Sequence[StoredBlob]) -> None:
        """Offer blobs no longer."""
        self.offered.difference_update(blob.digest for blob in blobs)

    async def publish(self, row: NameRow) -> None:
        """Publish a name."""
        self.published[row.reference] = row

    async def unpublish(self, reference: Reference) -> None:
        """Publish a name no longer."""
        self.published.pop(str(reference), None)


class MemoryImages:
    """Brings in what was put into `elsewhere` and `tags`. While `gate` is not set, no blob ever comes to its end."""

    def __init__(self, store: Store) -> None:
        self.elsewhere: dict[Digest, bytes] = {}
        self.tags: dict[str, Digest] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way = 0
        self.named_peers: tuple[tuple[str, int], ...] = ()
        self._store = store

    def publish(self, name: str, layers: Mapping[str, bytes]) -> Document:
        """Put an image elsewhere and return its root: for each platform (as text) one of a single layer.

        One platform makes a manifest, several make an index.
        """
        manifests = {platform: self._add_manifest(platform, layer) for platform, layer in layers.items()}
        root = self._add_index(manifests) if len(manifests) > 1 else next(iter(manifests.values()))
        self.tags[name] = root.digest
        return root

    def _add_index(self, manifests: Mapping[str, Document]) -> Document:
        entries = [
            replace(document.descriptor, platform=Platform.parse(platform)).to_json()
            for platform, document in manifests.items()
        ]
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self._add(raw, OCI_INDEX)
        return Document.parse(raw)

    def _add_manifest(self, platform: str, layer: bytes) -> Document:
        os, architecture = platform.split("/")
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(layer))]}
        config = json.dumps({"os": os, "architecture": architecture, "rootfs": rootfs}).encode()
        document = Document.of_image(self._add(config, OCI_CONFIG), (self._add(layer, OCI_LAYER),))
        self._add(document.raw, document.media_type)
        return document

    def _add(self, data: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor(media_type, Digest.of(data), len(data))
        self.elsewhere[descriptor.digest] = data
        return descriptor

    async def resolve(self, reference: Reference) -> Document:
        """Return what reference means. Raises ReferenceNotFound."""
        if str(reference) not in self.tags:
            raise ReferenceNotFound(f"no node publishes {reference}")
        return await self.document(self.tags[str(reference)])

    async def document(self, digest: Digest) -> Document:
        """Return the manifest or index of this digest. Raises BlobNotFound, InvalidManifest."""
        return Document.parse(self._bytes(digest))

    async def pull(self, target: Reference | Digest, platform: Platform | None) -> Progress:
        """Yield how each blob of target comes in, and at last the result."""
        digest = target if isinstance(target, Digest) else (await self.resolve(target)).digest
        documents, blobs = self._parts(digest, platform)
        for part in (*documents, *blobs):
            async for progress in self._bring(part):
                yield progress
        yield PullResult(digest, str(target) if isinstance(target, Reference) else None, documents, blobs)

    async def fetch_known(self, metainfo: Metainfo, peers: Sequence[tuple[str, int]]) -> Progress:
        """Yield how one blob comes in, and at last the result."""
        self.named_peers = tuple(peers)
        async for progress in self._bring(metainfo.digest):
            yield progress
        yield PullResult(metainfo.digest, None, (), (metainfo.digest,))

    async def why(self, target: Reference | Digest) -> Explanation:
        """Return a made-up explanation."""
        digest = target if isinstance(target, Digest) else self.tags.get(str(target))
        held = digest is not None and self._store.get(digest) is not None
        history = (HistoryEntry(time.time(), "something happened"),)
        return Explanation(str(target), digest, held, (), (), history, "It is in a dictionary.")

    def _parts(self, digest: Digest, platform: Platform | None) -> tuple[tuple[Digest, ...], tuple[Digest, ...]]:
        """Return the documents and the other blobs that digest stands for."""
        try:
            root = Document.parse(self._bytes(digest))
        except P2PlayerError:
            return (), (digest,)
        manifests = [root]
        if isinstance(root.content, Index):
            wanted = [root.content.choose(platform)] if platform else root.content.manifests
            manifests = [Document.parse(self._bytes(entry.digest)) for entry in wanted]
        documents = dict.fromkeys(document.digest for document in (root, *manifests))
        blobs = dict.fromkeys(child.digest for manifest in manifests for child in manifest.children)
        return tuple(documents), tuple(blobs)

    async def _bring(self, digest: Digest) -> Progress:
        data = self._bytes(digest)
        self.under_way += 1
        try:
            yield BlobProgress(digest, len(data), 0, "fetching")
            await self.gate.wait()
            self._store.put(digest, data)
            yield BlobProgress(digest, len(data), len(data), "done", ((_PEER, len(data)),), 0.5)
        finally:
            self.under_way -= 1

    def _bytes(self, digest: Digest) -> bytes:
        if digest not in self.elsewhere:
            raise BlobNotFound(f"no node announces {digest}")
        return self.elsewhere[digest]


class MemoryContacts:
    """Knows one node."""

    counters: Mapping[str, int] = {}

    def contacts(self) -> list[tuple[NodeId, str, int]]:
        """Return it."""
        return [(NodeId(bytes(20)), "192.0.2.1", 7400)]


class MemoryPeers:
    """Other nodes whose clocks agree, but for those that are said to differ or to fail."""

    def __init__(self) -> None:
        self.skews: dict[str, float | PeerUnreachable] = {}

    async def skew(self, host: str, port: int, *, timeout: float) -> float:  # noqa: ASYNC109  (as the client has it)
        """Return by how many seconds this clock is ahead of a node's. Raises PeerUnreachable."""
        found = self.skews.get(host, 0.0)
        if isinstance(found, PeerUnreachable):
            raise found
        return found


class MemoryDaemon:
    """All of it over a real store in data_dir."""

    registry_address = "127.0.0.1:5050"
    cluster_address = "127.0.0.1:7400"
    swarm_address = "127.0.0.1:7401"

    def __init__(self, data_dir: Path) -> None:
        self.config = Config(data_dir)
        self.identity = Identity.from_seed(bytes(32))
        self.store = Store.open(data_dir, reserve=0)
        self.holdings = MemoryHoldings(self.store)
        self.images = MemoryImages(self.store)
        self.dht = MemoryContacts()
        self.peers = MemoryPeers()
        self.tls = ClusterTls(Keyring.of(ClusterSecret()))
        self.counters = Counters()
        self.started_at = time.time()
