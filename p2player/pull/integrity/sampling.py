"""Comparing what a swarm sends with the registry, now and then: those who announce a blob may have made it up between them.

A hash tree shows that all of them send the same, not that it is what the digest means. That shows when all is here, or as soon as
somebody else is asked. So what comes from few nodes, or only from ones that have given nothing right before, is compared at two
places that nobody can foresee. What is streamed is compared by those who follow each other (`chain.comparing`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from p2player.peer.identity import NodeId
from p2player.pull.access.access import Access
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.attempt import Attempt
from p2player.pull.fetch.holders import Holder, Origin

ENOUGH: Final = 512 * 1024
"""How many bytes are here when some are compared for the first time; and how many right ones a node has to give to be believed."""
_AGAIN: Final = 4
"""Some are compared once more when one part in so many is here."""
_LOOK: Final = 0.25
"""Seconds."""


async def is_something_else(
    attempt: Attempt, origin: Callable[[], Origin | None], access: Access, trust: Trust
) -> bool:
    """Tell whether the registry that is known by then has other bytes than those that come in. Raises P2PlayerError."""
    for done in (ENOUGH, max(attempt.size // _AGAIN, 2 * ENOUGH)):
        while attempt.progress().done < done:  # noqa: ASYNC110  (libtorrent has no event for it)
            await asyncio.sleep(_LOOK)
        whole = {holder.node for holder in attempt.holders if holder.complete and holder.node}
        if (known := origin()) is None or trust.needs_no_proof(whole):
            return False
        if not await attempt.is_right(partial(access.open, known, attempt.metainfo.digest)):
            return True
    return False


def givers(holders: Iterable[Holder], by_peer: Mapping[str, int]) -> list[NodeId]:
    """Return which of those holders have given ENOUGH, by what a progress says has come from whom."""
    given = ((holder.node, (str(holder), f"{holder.swarm[0]}:{holder.swarm[1]}")) for holder in holders)
    return [node for node, names in given if node and max(by_peer.get(name, 0) for name in names) >= ENOUGH]
