"""How the rest of a node finds others: who holds a digest, and what a name means now."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from p2player.dht.belief import Belief, everybody
from p2player.dht.providers import some_of
from p2player.dht.records import NameRecord, NodeAddress, Provider
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId

PROVIDER_TTL_MS: Final = 3600 * 1000


class Discovery(Protocol):
    """Signed facts shared by a cluster; names by somebody who is not believed are as if absent.

    No method raises because a node is unreachable; it answers what is known.
    """

    async def announce(self, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False) -> None:
        """Say that this node holds digest, or is fetching it, from now on until `withdraw`.

        An empty root says, while not complete, that the digest is being fetched from its registry; size 0: not known.
        `private`: it is known only from repositories that require a login.
        """

    async def withdraw(self, digest: Digest) -> None:
        """Say that this node no longer holds digest."""

    async def find(self, digest: Digest, want: int = 8) -> list[Provider]:
        """Return about want other nodes that hold or fetch digest, those that have it whole first; [] if nobody does.

        There is one record a node. Where more are known than are wanted, no more than half have it whole if as many fetch it.
        """

    async def publish(self, record: NameRecord) -> NameRecord | None:
        """Share record and keep it alive. Returns the newer one if the cluster already has it, else None."""

    async def resolve(self, scope: str, name: str) -> NameRecord | None:
        """Return the newest record of name in scope, or None if there is none or it was withdrawn."""

    async def listing(self, scope: str) -> list[NameRecord]:
        """Return the newest record of every name in scope, sorted by name, without those withdrawn."""


@dataclass(slots=True)
class MemoryCluster:
    """What the nodes of one process share in place of a DHT."""

    providers: defaultdict[Digest, dict[NodeId, Provider]] = field(default_factory=lambda: defaultdict(dict))
    names: defaultdict[str, dict[str, dict[NodeId, NameRecord]]] = field(default_factory=lambda: defaultdict(dict))
    """By scope, name and signer: who is believed differs from node to node."""


class MemoryDiscovery:
    """The in-memory twin of the DHT: all nodes given the same cluster see each other's records at once."""

    def __init__(
        self,
        cluster: MemoryCluster,
        identity: Identity,
        address: NodeAddress,
        now_ms: Callable[[], int],
        believes: Belief = everybody,
    ) -> None:
        self._cluster = cluster
        self._identity = identity
        self._address = address
        self._now_ms = now_ms
        self._believes = believes

    async def announce(self, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False) -> None:
        """See Discovery."""
        issued = self._now_ms()
        self._cluster.providers[digest][self._identity.node_id] = Provider.make(
            self._identity,
            digest=digest,
            size=size,
            root=root,
            address=self._address,
            complete=complete,
            issued=issued,
            expires=issued + PROVIDER_TTL_MS,
            private=private,
        )

    async def withdraw(self, digest: Digest) -> None:
        """See Discovery."""
        self._cluster.providers[digest].pop(self._identity.node_id, None)

    async def find(self, digest: Digest, want: int = 8) -> list[Provider]:
        """See Discovery."""
        now = self._now_ms()
        held = self._cluster.providers.get(digest, {})
        return some_of((p for node, p in held.items() if node != self._identity.node_id and p.alive(now)), want)

    async def publish(self, record: NameRecord) -> NameRecord | None:
        """See Discovery."""
        known = self._newest(record.scope, record.name)
        if known is not None and known.rank > record.rank:
            return known
        self._cluster.names[record.scope].setdefault(record.name, {})[record.node_id] = record
        return None

    async def resolve(self, scope: str, name: str) -> NameRecord | None:
        """See Discovery."""
        record = self._newest(scope, name)
        return None if record is None or record.withdrawn else record

    async def listing(self, scope: str) -> list[NameRecord]:
        """See Discovery."""
        found = [self._newest(scope, name) for name in sorted(self._cluster.names.get(scope, {}))]
        return [record for record in found if record and not record.withdrawn]

    def _newest(self, scope: str, name: str) -> NameRecord | None:
        records = self._cluster.names.get(scope, {}).get(name, {}).values()
        return max(filter(self._believes, records), key=lambda record: record.rank, default=None)
