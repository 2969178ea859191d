"""Banning a node: in the store, where it outlasts a restart, in the blob's journal and in the log."""

import asyncio
import logging

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.journal import Journal
from p2player.store.store import Store

log = logging.getLogger(__name__)


async def ban(store: Store, journal: Journal, digest: Digest, node: NodeId, reason: str) -> None:
    """Never again believe a node, which did with a blob what the reason says."""
    journal.add(digest, f"banned {node.short}, which lied: it {reason}")
    log.warning("node %s is banned: it %s", node, reason)
    await asyncio.to_thread(store.ban, node.raw, reason)
