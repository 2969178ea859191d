"""Finds out which of the peers that may have sent wrong pieces of a blob has lied.

A swarm tells at which address a piece came in that does not belong to the blob's hash tree. That alone is held against
nobody: the peer may be a node whose disk has spoilt the piece, the address may be one that the peer connected from, and it
names itself as it likes. So the nodes it may be are asked over the peer interface for the same pieces, signed. An honest
node reads what it signs just then, and keeps silent about what is spoilt; a wrong piece under a signature is a lie.

A liar that shows right pieces when asked is not found out, nor one that connects to us under no name that is known: they
are not asked for more of this blob, and cost what they sent.

A flood is nobody's mistake, but the address that it came from may be another's by now than that of the node whose record
names it. So that node is asked whether it is there (see peer/address.py), and is not banned unless it signs that it is.
"""

import asyncio
from collections.abc import Iterable
from random import SystemRandom
from typing import Final

from p2player.errors import BlobNotFound, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.address import new_nonce, open_address
from p2player.peer.client import PeerClient
from p2player.peer.evidence import open_piece
from p2player.peer.identity import NodeId
from p2player.pull.fetch.holders import Holder
from p2player.pull.integrity.banning import ban
from p2player.pull.integrity.settling import SEND_BYTES
from p2player.pull.journal import Journal
from p2player.store.merkle import HASH_BYTES, piece_length, root_of_piece
from p2player.store.store import Store
from p2player.swarm.port import Address, Spoilt
from p2player.tasks import Tasks

_MAX_ASKED: Final = 8
"""How many nodes are asked about one blob, of either kind: who names itself after others must not make this node ask all of them."""
_PIECES: Final = 4
"""How many pieces each is asked for. They are drawn, so that it cannot be known which."""
_ANSWER_SECONDS: Final = 5.0

_random = SystemRandom()


class Suspects:
    """Asks in the background: whoever waits for the blob has it already."""

    def __init__(self, store: Store, peers: PeerClient, journal: Journal) -> None:
        self._store = store
        self._peers = peers
        self._journal = journal
        self._tasks = Tasks("suspects")
        # A piece has up to 4 MiB, and none of this is urgent.
        self._turn = asyncio.Lock()

    def question(self, digest: Digest, spoilt: Spoilt, holders: Iterable[Holder]) -> None:
        """Find out which of those holders of a blob, which is here by now, lied when something of it came wrong, or too much."""
        holders = list(holders)
        flooding = [holder for holder in holders if holder.swarm in spoilt.flooders]
        for holder in flooding[:_MAX_ASKED]:
            if holder.node and holder.http:
                self._tasks.spawn(self._locate(digest, holder.node, holder.http, holder.swarm), f"locate {holder}")
        if not spoilt.pieces:
            return
        asked = [holder for holder in holders if _may_be(holder, spoilt)][:_MAX_ASKED]
        pieces = _random.sample(sorted(spoilt.pieces), min(_PIECES, len(spoilt.pieces)))
        for holder in asked:
            if holder.node and holder.http:
                self._tasks.spawn(self._ask(digest, holder.node, holder.http, pieces), f"ask {holder}")

    async def close(self) -> None:
        """Ask no more."""
        await self._tasks.close()

    async def _ask(self, digest: Digest, node: NodeId, http: Address, pieces: Iterable[int]) -> None:
        try:
            for index in pieces:
                async with self._turn:
                    if await self._is_lie(digest, node, http, index):
                        reason = f"sent wrong pieces of {digest}, and signed them"
                        await ban(self._store, self._journal, digest, node, reason)
                        return
        except (PeerUnreachable, BlobNotFound, ValueError) as error:
            self._journal.add(digest, f"{node.short} may have sent wrong pieces, and does not show them: {error}")
        else:
            self._journal.add(digest, f"{node.short} may have sent wrong pieces, but shows the right ones")

    async def _locate(self, digest: Digest, node: NodeId, http: Address, flooder: Address) -> None:
        """Ban a node if it is the one at the address of a flooder."""
        came = f"blocks that nobody asked for came from where {node.short} was announced"
        nonce = new_nonce()
        try:
            swarm = open_address(node, nonce, await self._peers.address(*http, nonce, timeout=_ANSWER_SECONDS))
        except (PeerUnreachable, ValueError) as error:
            self._journal.add(digest, f"{came}, and it does not show that it is there: {error}")
            return
        if swarm == flooder:
            await ban(self._store, self._journal, digest, node, f"sent blocks of {digest} that nobody asked for")
        else:
            self._journal.add(digest, f"{came}, but it is at {swarm[0]}:{swarm[1]}")

    async def _is_lie(self, digest: Digest, node: NodeId, http: Address, index: int) -> bool:
        """Tell whether a node signs another piece than the blob has. Raises PeerUnreachable, BlobNotFound, ValueError."""
        blob = self._store.get(digest)
        layer = self._store.piece_layer(digest)
        if blob is None:
            raise BlobNotFound(f"{digest} has left the store")
        length = piece_length(blob.size)
        right = layer[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        patience = _ANSWER_SECONDS + length / SEND_BYTES
        data = open_piece(node, digest, index, await self._peers.piece(*http, digest, index, timeout=patience))
        is_whole = len(data) == min(length, blob.size - index * length)
        return not is_whole or await asyncio.to_thread(root_of_piece, data, length) != right


def _may_be(holder: Holder, spoilt: Spoilt) -> bool:
    return holder.swarm in spoilt.addresses or (holder.node is not None and holder.node.short in spoilt.names)
