"""Proof that a registry has a blob: bytes of it, from a place that it could not foresee.

To say that it has a digest costs a registry nothing. Any name can be asked of this node, and so any server on the Internet can
be made to answer for it; what is private must not be had by standing up one that says yes to everything.
"""

import asyncio
from random import SystemRandom
from typing import Final

from p2player.errors import UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.store.store import Store
from p2player.upstream.port import Asker, Kind, Upstreams

_SAMPLE: Final = 64 * 1024
_PLACES: Final = 8
_SECONDS: Final = 10.0

_random = SystemRandom()


async def has_same(
    upstreams: Upstreams, store: Store, repository: Repository, digest: Digest, kind: Kind, asker: Asker
) -> bool:
    """Tell whether repository sends the same bytes for a part of digest as are held here; False if none are held.

    Raises what `Upstreams.open` does.
    """
    blob = store.get(digest)
    if blob is None:
        return False
    start, sample = await asyncio.to_thread(_choose, store, digest, blob.size)
    if not sample:
        return False
    opening = upstreams.open(repository, digest, kind, asker, start=start, stop=start + len(sample))
    try:
        async with asyncio.timeout(_SECONDS), opening as remote:
            if remote.size != blob.size:
                return False
            received = b"".join([chunk async for chunk in remote.chunks])
    except TimeoutError as error:
        raise UpstreamUnreachable(f"{repository.registry} sends {digest} too slowly", hint="try again later") from error
    return received == sample


def _choose(store: Store, digest: Digest, size: int) -> tuple[int, bytes]:
    """Return a place in a blob and what stands there, none if all places looked at could be guessed."""
    with store.path(digest).open("rb") as file:
        for _ in range(_PLACES):
            start = _random.randrange(max(1, size - _SAMPLE + 1))
            file.seek(start)
            sample = file.read(_SAMPLE)
            if len(set(sample)) > 1:
                return start, sample
    return 0, b""
