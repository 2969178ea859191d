"""Small blobs: asked of one holder after another over the peer interface, without waiting long for any of them."""

import asyncio
from collections.abc import Callable, Sequence

from p2player.errors import PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.client import OtherBytes, PeerClient
from p2player.pull.fetch.holders import Holder
from p2player.tasks import Tasks

_STAGGER = 0.15
"""Seconds after which the next holder is asked as well (the idea of Happy Eyeballs, RFC 8305)."""
_TIMEOUT = 3.0


async def first_answer(
    client: PeerClient, holders: Sequence[Holder], digest: Digest, on_lie: Callable[[Holder], None]
) -> tuple[bytes, Holder]:
    """Return the blob from whichever holder answers first, and that holder.

    Those who sign and send other bytes are reported to on_lie. Raises PeerUnreachable once all have failed.
    """
    tasks = Tasks(f"ask {digest.short}")
    asked: dict[asyncio.Task[bytes], Holder] = {}
    waiting = list(reversed(holders))
    problem = PeerUnreachable(f"nobody that announces {digest} can be asked for it")
    try:
        while waiting or asked:
            if waiting:
                holder = waiting.pop()
                if holder.http is not None:
                    host, port = holder.http
                    asked[tasks.spawn(client.get_small(host, port, digest, timeout=_TIMEOUT), str(holder))] = holder
            if not asked:
                continue
            done, _ = await asyncio.wait(
                asked, timeout=_STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                holder = asked.pop(task)
                try:
                    return task.result(), holder
                except OtherBytes as error:
                    problem = PeerUnreachable(error.message)
                    # Whoever sits at the address of a holder is not that holder yet.
                    if holder.node is not None and error.signer == holder.node:
                        on_lie(holder)
                except PeerUnreachable as error:
                    problem = error
        raise problem
    finally:
        await tasks.close()
