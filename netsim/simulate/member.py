"""A simulated node: its DHT is real, and so is all that decides; of blobs it has only how many bytes are there."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from netsim.simulate.cluster import host_of
from netsim.simulate.node import PORT
from netsim.simulate.world import REALM, Blob, World
from p2player.dht.discovery import Discovery
from p2player.peer.identity import NodeId
from p2player.peer.relay import Followers, Relay
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.fetch.search import Search
from p2player.tasks import Tasks

if TYPE_CHECKING:
    from netsim.simulate.puller import Fetch

AT_ONCE: Final = 4
"""As many blobs of an image are fetched at once (`pull.pulling`)."""


class Offered(Protocol):
    """What of `peer.relay.Relay` is asked about: how far a copy is. No byte is read from it."""

    @property
    def size(self) -> int:
        """Bytes in the whole blob."""
        ...

    @property
    def offset(self) -> int:
        """Bytes that can be passed on."""
        ...

    @property
    def place(self) -> Place:
        """Over whom it comes just now."""
        ...


class _Whole:
    """A blob of the store."""

    def __init__(self, size: int, head: NodeId) -> None:
        self.size = self.offset = size
        self.place = Place(0, head)


class Member:
    """One node of a rollout. Its index in the network is its number."""

    def __init__(self, number: int, node_id: NodeId, discovery: Discovery, world: World) -> None:
        self.number = number
        self.node_id = node_id
        self.discovery = discovery
        self.world = world
        self.neighbour = Neighbour(node_id, host_of(number), PORT)
        self.followers = Followers()
        self.bans: frozenset[bytes] = frozenset()
        self.fetches: dict[int, Fetch] = {}
        """Those under way, by the blob's number."""
        self.search = Search(discovery, world.silence, lambda: (REALM,), lambda: self.bans)
        self.tasks = Tasks(f"node {number}")
        self.slots = asyncio.Semaphore(AT_ONCE)

    @property
    def is_liar(self) -> bool:
        """Whether it lies about what it holds."""
        return self.number in self.world.lies

    def has(self, blob: Blob) -> bool:
        """Tell whether a blob is in the store."""
        return bool(self.world.copies.is_whole[self.world.copies.at(self.number, blob.number)])

    def relay(self, blob: Blob) -> Offered | None:
        """Return what can be followed of a blob here, or None."""
        if (fetch := self.fetches.get(blob.number)) is not None and fetch.following is not None:
            return fetch.following
        # What a liar would pass on is not modelled: it is left alone.
        return _Whole(blob.size, self.node_id) if self.has(blob) and not self.is_liar else None

    def source_gone(self, blob: int) -> None:
        """Take note that the connection was broken off over which a blob came."""
        fetch = self.fetches.get(blob)
        if fetch is not None:
            fetch.source_gone()

    def standing(self, blob: Blob) -> Standing | None:
        """Return how far this node is with a blob, or None."""
        relay = self.relay(blob)
        return self.followers.standing(blob.digest, cast("Relay", relay)) if relay else None

    async def hold(self, blob: Blob) -> None:
        """Have a blob from the beginning, seeded and announced."""
        world = self.world
        copy = world.copies.at(self.number, blob.number)
        world.copies.finish(copy)
        lie = world.lies.get(self.number)
        world.swarms.seed(copy, is_corrupt=lie is not None)
        root = bytes(255 - byte for byte in blob.root) if lie == "wrong tree" else blob.root
        await self.discovery.announce(blob.digest, blob.size, root, complete=True)

    def die(self) -> None:
        """End without a word."""
        for fetch in tuple(self.fetches.values()):
            fetch.die()
        self.fetches.clear()
