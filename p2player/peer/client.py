"""Asks other nodes for small blobs over their HTTP interface."""

import time
from collections.abc import Callable

import aiohttp
from yarl import URL

from p2player.errors import DigestMismatch, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.auth import MAX_AGE, RequestAuth
from p2player.peer.protocol import SMALL_BLOB, blob_path
from p2player.peer.secret import ClusterSecret

_SECRET_HINT = f"give both nodes the same cluster secret, and clocks within {MAX_AGE} s"


class PeerClient:
    """Connections to other nodes, kept open between requests. Made inside a running event loop."""

    def __init__(self, secret: ClusterSecret, *, clock: Callable[[], float] = time.time) -> None:
        self._auth = RequestAuth(secret)
        self._clock = clock
        self._session = aiohttp.ClientSession(
            # A body is what its digest says it is, byte by byte: nothing here unpacks, follows or remembers.
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
        )

    async def get_small(self, host: str, port: int, digest: Digest, *, timeout: float) -> bytes:  # noqa: ASYNC109  (for one peer; the caller has more of them)
        """Return a blob of at most SMALL_BLOB bytes from the node at host and port, within timeout seconds.

        Raises PeerUnreachable, or DigestMismatch if the node sent other bytes.
        """
        path = blob_path(digest)
        peer = f"{host}:{port}"
        try:
            async with self._session.get(
                URL.build(scheme="http", host=host, port=port, path=path),
                headers={"Authorization": self._auth.sign("GET", path, self._clock())},
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    hint = _SECRET_HINT if response.status == 401 else ""
                    raise PeerUnreachable(f"{peer} answered {response.status} for {digest}", hint=hint)
                data = await _read(response)
        except TimeoutError as error:
            raise PeerUnreachable(f"{peer} did not answer within {timeout} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PeerUnreachable(f"{peer} did not answer: {error}") from error
        if data is None:
            raise PeerUnreachable(f"{peer} sent more than {SMALL_BLOB} bytes for {digest}")
        if not digest.matches(data):
            raise DigestMismatch(f"{peer} sent other bytes than {digest}")
        return data

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None once it is longer than a small blob."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > SMALL_BLOB:
            return None
    return bytes(data)
