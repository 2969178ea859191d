"""What this node says for the blobs it holds when others claim something else: evidence, and pieces to show for it.

Nothing is signed that was not looked at just now: evidence is made from the file, and a piece is held against its hash. So
a damaged disk makes a node silent, never a liar.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from p2player.errors import BlobNotFound
from p2player.oci.digest import Digest
from p2player.peer.evidence import Evidence, can_be_shown, seal_evidence, seal_piece, vouch
from p2player.peer.identity import Identity
from p2player.pull.held.holdings import Holdings
from p2player.store.merkle import HASH_BYTES, piece_length, root_of_piece
from p2player.store.rows import StoredBlob
from p2player.store.states import ALGORITHM, states_of_file, usable
from p2player.store.store import Store

log = logging.getLogger(__name__)

_KEPT: Final = 16
"""For how many blobs evidence is kept in memory: when one is disputed, all who want it ask at the same time."""


class Witness:
    """The holder's side of a dispute."""

    def __init__(self, store: Store, holdings: Holdings, identity: Identity) -> None:
        self._store = store
        self._holdings = holdings
        self._identity = identity
        self._kept: OrderedDict[Digest, bytes] = OrderedDict()
        # Each reads a whole blob: one at a time leaves the disk to others.
        self._turn = asyncio.Lock()

    async def evidence(self, digest: Digest) -> bytes | None:
        """Return sealed evidence for a blob that is held here whole, or None if there is none to be given."""
        async with self._turn:
            blob = self._held(digest)
            if blob is None:
                self._kept.pop(digest, None)
                return None
            if digest not in self._kept and (made := await asyncio.to_thread(self._make, blob)):
                self._kept[digest] = made
            if digest in self._kept:
                self._kept.move_to_end(digest)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept.get(digest)

    async def piece(self, digest: Digest, index: int) -> bytes | None:
        """Return a sealed piece of a blob that is held here whole, or None if it is not to be had."""
        blob = self._held(digest)
        return await asyncio.to_thread(self._read, blob, index) if blob else None

    def vouch(self, digest: Digest, data: bytes) -> str:
        """Return this node's signature to that it sends data as the blob of this digest."""
        return vouch(self._identity, digest, data)

    def _held(self, digest: Digest) -> StoredBlob | None:
        if digest.algorithm != ALGORITHM or not self._holdings.shares(digest):
            return None
        blob = self._store.get(digest)
        return blob if blob and can_be_shown(blob.size) else None

    def _make(self, blob: StoredBlob) -> bytes | None:
        if not usable():
            return None
        try:
            layer = self._store.piece_layer(blob.digest)
            states, digest = states_of_file(self._store.path(blob.digest), piece_length(blob.size))
        except (OSError, BlobNotFound) as error:
            log.warning("no evidence for %s: %s", blob.digest, error)
            return None
        evidence = Evidence(blob.digest, blob.size, blob.root, states, layer)
        if digest.hex() != blob.digest.hex or not evidence.is_sound:
            log.warning("what is kept as %s is something else; check the store with: p2player verify", blob.digest)
            return None
        return seal_evidence(self._identity, evidence)

    def _read(self, blob: StoredBlob, index: int) -> bytes | None:
        length = piece_length(blob.size)
        try:
            layer = self._store.piece_layer(blob.digest)
            with self._store.path(blob.digest).open("rb") as file:
                file.seek(index * length)
                data = file.read(length)
        except (OSError, BlobNotFound):
            return None
        if root_of_piece(data, length) != layer[index * HASH_BYTES : (index + 1) * HASH_BYTES]:
            return None
        return seal_piece(self._identity, blob.digest, index, data)
