"""Who has a blob, in the terms the pull policy works with: claims of what the blob's torrent is, and who makes them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from p2player.dht.records import Provider
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.peer.standing import Neighbour
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address, SwarmPeer
from p2player.swarm.realm import Realm
from p2player.upstream.port import Asker, Kind


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a blob or is fetching it. A foreign BitTorrent client has no node id and no peer interface."""

    swarm: Address
    complete: bool
    node: NodeId | None = None
    http: Address | None = None

    @property
    def peer(self) -> SwarmPeer:
        """The holder as the swarm knows it."""
        return SwarmPeer(self.swarm, is_seed=self.complete)

    @property
    def neighbour(self) -> Neighbour | None:
        """The holder as it can be followed, or None."""
        return Neighbour(self.node, *self.http) if self.node and self.http else None

    def __str__(self) -> str:
        return self.node.short if self.node else f"{self.swarm[0]}:{self.swarm[1]}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Several holders' common statement that this metainfo is that of the digest."""

    metainfo: Metainfo
    holders: tuple[Holder, ...]

    @property
    def is_of_one(self) -> bool:
        """Whether one node alone says that it has it all, and can be followed."""
        complete = [holder for holder in self.holders if holder.complete]
        return len(complete) == 1 and complete[0].neighbour is not None

    @property
    def whole(self) -> int:
        """How many say that they have it all."""
        return sum(holder.complete for holder in self.holders)

    @property
    def weight(self) -> tuple[int, int]:
        """What orders claims by how likely they are to be right: how many say they have it all, then how many in all."""
        return self.whole, len(self.holders)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look has found. Fetchers are getting the blob from its registry, and do not know its torrent yet."""

    claims: tuple[Claim, ...] = ()
    fetchers: tuple[Holder, ...] = ()
    is_private: bool = False
    """Whether those who have it say that it belongs to private repositories only."""
    fetched_size: int = 0
    """Bytes that the fetchers say it has; 0 if they do not know."""

    def __bool__(self) -> bool:
        return bool(self.claims or self.fetchers)

    @property
    def size(self) -> int | None:
        """Bytes in the blob as it is announced, or None if nobody knows."""
        return self.claims[0].metainfo.size if self.claims else self.fetched_size or None

    def size_by(self, known: int | None) -> int | None:
        """Return bytes in the blob: as its manifest says (known), unless all who have it say otherwise."""
        sizes = {claim.metainfo.size for claim in self.claims}
        return known if known is not None and (known in sizes or not sizes) else self.size

    @property
    def whole(self) -> tuple[Holder, ...]:
        """Those who say that they have all of it."""
        return tuple(holder for claim in self.claims for holder in claim.holders if holder.complete)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Everybody who could be followed."""
        return (*self.fetchers, *self.whole)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a blob can be had outside the cluster: in which repository, under which path, and in whose name."""

    repository: Repository
    kind: Kind
    asker: Asker = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lead:
    """What is known of a blob when it is opened; its fetch begins with it. `origin` is None if it has no registry."""

    digest: Digest
    size: int
    sighting: Sighting
    origin: Origin | None = None
    known_size: int | None = None
    """Bytes in the blob by the manifest that names it or by its registry, if one of them was asked."""


def sighting_of(providers: Iterable[Provider], realm: Realm) -> Sighting:
    """Return what providers say of a blob. It is private if all of them say so."""
    providers = list(providers)
    fetching = [provider for provider in providers if not (provider.complete or provider.root)]
    return Sighting(
        claims=tuple(claims_of(providers, realm)),
        fetchers=tuple(map(_holder, fetching)),
        is_private=bool(providers) and all(provider.private for provider in providers),
        fetched_size=max((provider.size for provider in fetching), default=0),
    )


def claims_of(providers: Iterable[Provider], realm: Realm) -> list[Claim]:
    """Return what providers claim, the claim that most complete holders make first."""
    by_metainfo: dict[Metainfo, list[Holder]] = {}
    for provider in providers:
        if not any(provider.root) and (provider.size > SMALL_BLOB or not provider.complete):
            continue  # without a root there is no swarm to join
        metainfo = Metainfo(provider.digest, provider.size, provider.root, realm)
        by_metainfo.setdefault(metainfo, []).append(_holder(provider))
    claims = [Claim(metainfo, tuple(holders)) for metainfo, holders in by_metainfo.items()]
    return sorted(claims, key=lambda claim: claim.weight, reverse=True)


def _holder(provider: Provider) -> Holder:
    address = provider.address
    return Holder(
        swarm=(address.host, address.swarm_port),
        complete=provider.complete,
        node=provider.node_id,
        http=(address.host, address.cluster_port),
    )
