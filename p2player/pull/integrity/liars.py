"""Who lied about one blob: banned as soon as it is known, and looked for among the others once the blob is here."""

import asyncio
from collections.abc import Sequence

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.fetch.claims import Claims
from p2player.pull.fetch.holders import Holder
from p2player.pull.integrity.banning import ban
from p2player.pull.parts import Parts
from p2player.store.merkle import piece_length
from p2player.store.rows import StoredBlob
from p2player.swarm.port import Spoilt


class Liars:
    """What was sent wrong in the attempts at one blob, and by whom it may have been."""

    def __init__(self, digest: Digest, parts: Parts) -> None:
        self._digest = digest
        self._parts = parts
        self._spoilt: list[tuple[Spoilt, Sequence[Holder]]] = []

    def suspect(self, spoilt: Spoilt, holders: Sequence[Holder]) -> None:
        """Take note of what has come of an attempt and does not belong to the claimed root, and from whom it may be."""
        self._spoilt.append((spoilt, holders))

    async def ban(self, reason: str, *nodes: NodeId) -> None:
        """Never again believe these nodes, each of which did what the reason says."""
        for node in nodes:
            await ban(self._parts.store, self._parts.journal, self._digest, node, reason)

    async def find(self, blob: StoredBlob, claims: Claims) -> None:
        """Find out who has lied about what came earlier and was not the blob, now that it is here."""
        parts, digest = self._parts, self._digest
        verdict = await asyncio.to_thread(parts.trust.settle, digest, parts.store.path(digest))
        await self.ban(f"vouched for wrong bytes of {digest}", *sorted(verdict.liars))
        for node in sorted(verdict.suspects):
            parts.journal.add(
                digest, f"{node.short} has signed wrong bytes, or was given them: it is avoided for a while"
            )
        if verdict.suspects:
            # Who says to have it all can be asked for the same pieces again: it has no registry to be misled by.
            suspected = [holder for holder in claims.whole() if holder.node in verdict.suspects]
            length = piece_length(blob.size)
            names = frozenset(node.short for node in verdict.suspects)
            self.suspect(Spoilt(frozenset(at // length for at in verdict.wrong), names=names), suspected)
        for spoilt, holders in self._spoilt:
            parts.suspects.question(digest, spoilt, holders)
