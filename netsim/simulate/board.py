"""What a lookup would find, without the lookup: for rollouts of more nodes than there is time to simulate datagrams of.

It keeps and answers what the nodes nearest to a key do (`dht.storage`): so many records a key, complete providers first,
from a place on that each asker draws. All of them are taken to agree, and to be reached.
"""

import asyncio
from random import Random
from typing import Final

from p2player.dht.discovery import PROVIDER_TTL_MS
from p2player.dht.records import NodeAddress, Provider, key_of_digest
from p2player.dht.storage import MAX_PROVIDERS_OF_KEY, SEEN_BY_ALL, around, next_behind
from p2player.oci.digest import Digest

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
        """Keep a record, unless there is no room: what is not whole gives way first, then what expires soonest."""
        held = self._providers.setdefault(record.digest, {})
        if record.public_key not in held and len(held) >= MAX_PROVIDERS_OF_KEY:
            by_id = {it.node_id.raw: it for it in held.values()}
            first = next_behind(key_of_digest(record.digest), (n for n, it in by_id.items() if not it.complete))
            least = min((it for n, it in by_id.items() if n not in first), key=lambda it: (it.complete, it.expires))
            if least.complete and not record.complete:
                return
            del held[least.public_key]
        held[record.public_key] = record
        self._groups.pop(record.digest, None)

    def remove(self, digest: Digest, public_key: bytes) -> None:
        """Forget who no longer has a digest."""
        self._providers.get(digest, {}).pop(public_key, None)
        self._groups.pop(digest, None)

    def some(self, digest: Digest, want: int, without: bytes) -> list[Provider]:
        """Return at most so many providers, complete ones first."""
        want = min(want, self._most_found)
        found: list[Provider] = []
        turn = self.rng.randrange(1 << 30)
        for group in self._grouped(digest):
            start = turn % len(group) if group else 0
            behind = group[start : start + want + 1]
            around = [*behind, *group[: min(want + 1 - len(behind), start)]]
            if group and not group[0].complete:
                around = [*group[:SEEN_BY_ALL], *(record for record in around if record not in group[:SEEN_BY_ALL])]
            found += [record for record in around if record.public_key != without]
        return found[:want]

    def _grouped(self, digest: Digest) -> tuple[list[Provider], list[Provider]]:
        """Return those who have it all and those who do not, in order of their ids from the key on."""
        groups = self._groups.get(digest)
        if groups is None:
            key = key_of_digest(digest)
            held = sorted(self._providers.get(digest, {}).values(), key=lambda it: around(key, it.node_id.raw))
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
        issued = int(asyncio.get_running_loop().time() * 1000)
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
