"""What the control interface needs of a node. `p2player.node.Node` has it, and in memory `p2player.control.memory`."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from p2player.config import Config
from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity, NodeId
from p2player.peer.tls import ClusterTls
from p2player.pull.events import BlobProgress, PullResult
from p2player.pull.why import Explanation
from p2player.store.rows import NameRow, StoredBlob
from p2player.store.store import Store
from p2player.swarm.metainfo import Metainfo

Progress = AsyncGenerator[BlobProgress | PullResult, None]


class Images(Protocol):
    """Brings images and blobs here. A generator that is closed early gives up what it was fetching."""

    async def resolve(self, reference: Reference) -> Document:
        """Return what reference means now. Raises ReferenceNotFound."""
        ...

    async def document(self, digest: Digest) -> Document:
        """Return the manifest or index of this digest. Raises ReferenceNotFound, or InvalidManifest if it is none."""
        ...

    def pull(self, target: Reference | Digest, platform: Platform | None) -> Progress:
        """Yield how each blob of the target proceeds, for one platform or (None) all, and at last the result."""
        ...

    def fetch_known(self, metainfo: Metainfo, peers: Sequence[tuple[str, int]]) -> Progress:
        """Yield how one blob proceeds that comes from peers named by hand, and at last the result."""
        ...

    async def why(self, target: Reference | Digest) -> Explanation:
        """Return what is known about target, and what would happen if it was pulled now."""
        ...


class Holdings(Protocol):
    """What the node offers to the cluster."""

    def metainfo(self, blob: StoredBlob) -> Metainfo:
        """Return the torrent of a blob of the store."""
        ...

    def name_row(self, reference: Reference, descriptor: Descriptor) -> NameRow:
        """Return a newly signed name that makes the tag of reference mean descriptor."""
        ...

    async def add(self, blobs: Sequence[StoredBlob]) -> None:
        """Seed and announce blobs of the store."""
        ...

    async def drop(self, blobs: Sequence[StoredBlob]) -> None:
        """Seed and announce these blobs no longer."""
        ...

    async def publish(self, row: NameRow) -> None:
        """Make a name that the store has just been given hold in the whole cluster."""
        ...

    async def unpublish(self, reference: Reference) -> None:
        """Take back a name of the store from the cluster."""
        ...


class Contacts(Protocol):
    """The routing table of the DHT."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Datagrams in and out, and those dropped."""
        ...

    def contacts(self) -> Sequence[tuple[NodeId, str, int]]:
        """Return id, host and port of the nodes known."""
        ...


class Peers(Protocol):
    """The peer interfaces of other nodes."""

    async def skew(self, host: str, port: int, *, timeout: float) -> float:  # noqa: ASYNC109  (for one peer)
        """Return by how many seconds this clock is ahead of a node's. Raises PeerUnreachable."""
        ...


class Daemon(Protocol):
    """The parts of a running node."""

    @property
    def config(self) -> Config:
        """Its settings."""
        ...

    @property
    def identity(self) -> Identity:
        """Who it is."""
        ...

    @property
    def store(self) -> Store:
        """The blobs it holds."""
        ...

    @property
    def images(self) -> Images:
        """What it can get."""
        ...

    @property
    def holdings(self) -> Holdings:
        """What it offers."""
        ...

    @property
    def dht(self) -> Contacts:
        """Whom it knows."""
        ...

    @property
    def peers(self) -> Peers:
        """How it asks others."""
        ...

    @property
    def tls(self) -> ClusterTls:
        """Its certificates."""
        ...

    @property
    def counters(self) -> Counters:
        """What it has counted since it started."""
        ...

    @property
    def registry_address(self) -> str:
        """`HOST:PORT` that runtimes pull from."""
        ...

    @property
    def cluster_address(self) -> str:
        """`HOST:PORT` of DHT and peer interface."""
        ...

    @property
    def swarm_address(self) -> str:
        """`HOST:PORT` of BitTorrent."""
        ...

    @property
    def started_at(self) -> float:
        """Unix seconds."""
        ...
