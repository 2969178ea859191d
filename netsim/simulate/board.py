"""What a lookup would find, without the lookup: for rollouts of more nodes than there is time to simulate datagrams of.

It keeps and answers what the nodes nearest to a key do (`dht.providers`). All of them are taken to agree, and to be reached.
"""

import asyncio
from random import Random
from typing import Final

from p2player.dht.discovery import PROVIDER_TTL_MS
from p2player.dht.providers import MAX_PROVIDERS_OF_KEY, around, gives_way, in_turn, some_of
from p2player.dht.records import NodeAddress, Provider, key_of_digest
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.tasks import loop_time

_ROUNDS_TO_FIND: Final = 2
"""Questions one after another until a provider is found, in the mean, at 10,000 nodes."""
_ROUNDS_TO_STORE: Final = 4
"""The same until the nearest are known, and one more to tell them."""


class Board:
    """All records of a cluster. `round_trip` is what a question and its answer take, in seconds; no look finds more than `most_found`."""

    def __init__(self, round_trip: float, rng: Random, most_found: int) -> None:
        self.round_trip = round_trip
        self._most_found = most_found
        self.rng = rng
        self.questions = 0
        self._providers: dict[Digest, dict[bytes, Provider]] = {}
        self._groups: dict[Digest, tuple[list[Provider], list[Provider]]] = {}

    def put(self, record: Provider) -> None:
        """Keep a record, unless there is no room."""
        held, node = self._providers.setdefault(record.digest, {}), record.node_id.raw
        if node not in held and len(held) >= MAX_PROVIDERS_OF_KEY:
            least = gives_way(record.key, held, record)
            if least is None:
                return
            del held[least]
        held[node] = record
        self._groups.pop(record.digest, None)

    def remove(self, digest: Digest, public_key: bytes) -> None:
        """Forget who no longer has a digest."""
        self._providers.get(digest, {}).pop(NodeId.of(public_key).raw, None)
        self._groups.pop(digest, None)

    def some(self, digest: Digest, want: int, without: bytes) -> list[Provider]:
        """Return at most so many providers other than a node itself, those that have it whole first."""
        named = in_turn(*self._grouped(digest), self.rng.randrange(1 << 30))
        return some_of((it for it in named if it.public_key != without), min(want, self._most_found))

    def _grouped(self, digest: Digest) -> tuple[list[Provider], list[Provider]]:
        """Return those who have it all and those who do not, in order of their ids from the key on."""
        groups = self._groups.get(digest)
        if groups is None:
            key = key_of_digest(digest)
            by_id = sorted(self._providers.get(digest, {}).items(), key=lambda item: around(key, item[0]))
            held = [record for _, record in by_id]
            groups = [record for record in held if record.complete], [record for record in held if not record.complete]
            self._groups[digest] = groups
        return groups


class BoardDiscovery:
    """One node's access to it: what of `dht.discovery.Discovery` a fetch uses."""

    def __init__(self, board: Board, public_key: bytes, address: NodeAddress) -> None:
        self._board = board
        self._public_key = public_key
        self._address = address

    async def announce(self, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False) -> None:
        """See Discovery."""
        await self._wait(_ROUNDS_TO_STORE)
        issued = int(loop_time() * 1000)
        expires = issued + PROVIDER_TTL_MS
        key, address = self._public_key, self._address
        self._board.put(Provider(key, digest, size, root, address, complete, issued, expires, private=private))

    async def withdraw(self, digest: Digest) -> None:
        """See Discovery."""
        await self._wait(_ROUNDS_TO_STORE)
        self._board.remove(digest, self._public_key)

    async def find(self, digest: Digest, want: int = 8) -> list[Provider]:
        """See Discovery."""
        await self._wait(_ROUNDS_TO_FIND)
        return self._board.some(digest, want, self._public_key)

    async def _wait(self, rounds: int) -> None:
        self._board.questions += rounds
        await asyncio.sleep(rounds * self._board.round_trip * self._board.rng.uniform(0.8, 1.2))
