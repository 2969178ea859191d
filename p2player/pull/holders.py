"""Who has a blob, in the terms the pull policy works with: claims of what the blob's torrent is, and who makes them."""

from collections.abc import Iterable
from dataclasses import dataclass

from p2player.dht.records import Provider
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address, SwarmPeer


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

    def __str__(self) -> str:
        return self.node.short if self.node else f"{self.swarm[0]}:{self.swarm[1]}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Several holders' common statement that this metainfo is that of the digest."""

    metainfo: Metainfo
    holders: tuple[Holder, ...]

    @property
    def weight(self) -> tuple[int, int]:
        """What orders claims by how likely they are to be right: how many say they have it all, then how many in all."""
        return sum(holder.complete for holder in self.holders), len(self.holders)


def claims_of(providers: Iterable[Provider], salt: bytes) -> list[Claim]:
    """Return what providers claim, the claim that most complete holders make first."""
    by_metainfo: dict[Metainfo, list[Holder]] = {}
    for provider in providers:
        if provider.size > SMALL_BLOB and not any(provider.root):
            continue  # without a root there is no swarm to join
        metainfo = Metainfo(provider.digest, provider.size, provider.root, salt)
        address = provider.address
        holder = Holder(
            swarm=(address.host, address.swarm_port),
            complete=provider.complete,
            node=provider.node_id,
            http=(address.host, address.cluster_port),
        )
        by_metainfo.setdefault(metainfo, []).append(holder)
    claims = [Claim(metainfo, tuple(holders)) for metainfo, holders in by_metainfo.items()]
    return sorted(claims, key=lambda claim: claim.weight, reverse=True)
