"""The HTTP interface a node offers the others: small blobs, and who it is."""

import time
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from p2player.counters import Counters
from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest
from p2player.peer.auth import RequestAuth
from p2player.peer.identity import NodeId
from p2player.peer.listener import Listener
from p2player.peer.protocol import BLOBS_PATH, NODE_PATH
from p2player.peer.secret import ClusterSecret


class SmallBlobs(Protocol):
    """Where the small blobs are."""

    def small(self, digest: Digest) -> bytes | None:
        """Return the blob if it is held here whole and has at most SMALL_BLOB bytes."""
        ...


class PeerServer:
    """Answers nodes that know the cluster secret; everybody else gets 401 and is counted."""

    def __init__(
        self,
        secret: ClusterSecret,
        blobs: SmallBlobs,
        counters: Counters,
        *,
        node_id: NodeId,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._auth = RequestAuth(secret)
        self._blobs = blobs
        self._counters = counters
        self._about = {"node_id": str(node_id), "version": version}
        self._clock = clock
        self._listener = Listener(self._answer, counters, "peer.malformed")

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Return the address that is now listened on; port 0 picks a free one. Raises AddressUnusable."""
        return await self._listener.start(host, port)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._listener.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        header = request.headers.get("Authorization", "")
        if not self._auth.accepts(header, request.method, request.path, self._clock()):
            self._counters.drop("peer.unauthorized")
            return web.Response(status=401, headers={"WWW-Authenticate": "P2Player"})
        if request.method != "GET":
            return web.Response(status=405, headers={"Allow": "GET"})
        if request.path == NODE_PATH:
            return web.json_response(self._about)
        if request.path.startswith(BLOBS_PATH):
            return self._blob(request.path.removeprefix(BLOBS_PATH))
        return web.Response(status=404)

    def _blob(self, name: str) -> web.Response:
        try:
            data = self._blobs.small(Digest.parse(name))
        except InvalidDigest:
            return web.Response(status=400)
        if data is None:
            return web.Response(status=404)
        return web.Response(body=data, content_type="application/octet-stream")
