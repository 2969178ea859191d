"""The HTTP interface a node offers the others: small blobs, larger ones to be followed, and who it is."""

from typing import Protocol

from aiohttp import web

from p2player.counters import Counters
from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.listener import Listener
from p2player.peer.protocol import BLOBS_PATH, EVIDENCE_PATH, NODE_PATH, PIECES_PATH, RELAY_PATH, SEAL_HEADER
from p2player.peer.relay import RelayDesk, Relays
from p2player.peer.tls import ClusterTls

_READING = ("GET", "HEAD")
_MAX_INDEX_DIGITS = 6


class SmallBlobs(Protocol):
    """Where the small blobs are."""

    def small(self, digest: Digest) -> bytes | None:
        """Return the blob if it is held here whole and has at most SMALL_BLOB bytes."""
        ...


class Witness(Protocol):
    """What is said here for the blobs that are held whole (see evidence.py)."""

    async def evidence(self, digest: Digest) -> bytes | None:
        """Return sealed evidence, or None if there is none to be given."""
        ...

    async def piece(self, digest: Digest, index: int) -> bytes | None:
        """Return a sealed piece, or None if it is not to be had."""
        ...

    def vouch(self, digest: Digest, data: bytes) -> str:
        """Return the signature to that data is sent as the blob of this digest."""
        ...


class PeerServer:
    """Answers nodes that have a certificate of the cluster. Others get no further than the handshake, and are counted."""

    def __init__(
        self,
        tls: ClusterTls,
        blobs: SmallBlobs,
        relays: Relays,
        witness: Witness,
        counters: Counters,
        *,
        node_id: NodeId,
        version: str,
    ) -> None:
        self._tls = tls
        self._blobs = blobs
        self._relays = RelayDesk(relays)
        self._witness = witness
        self._about = {"node_id": str(node_id), "version": version}
        self._listener = Listener(self._answer, counters, "peer.malformed", refused="peer.unauthorized")

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Return the address that is now listened on; port 0 picks a free one. Raises AddressUnusable."""
        return await self._listener.start(host, port, tls=self._tls.listening())

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._listener.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None and not self._tls.is_current(request.transport):
            # A connection can be kept open for ever, also with a secret that is over. Members connect anew by themselves.
            request.transport.abort()
            raise ConnectionResetError("it dates from before the certificates changed")
        if request.method not in _READING:
            return web.Response(status=405, headers={"Allow": ", ".join(_READING)})
        try:
            return await self._dispatch(request)
        except InvalidDigest:
            return web.Response(status=400)

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == NODE_PATH:
            return web.json_response(self._about)
        if request.path.startswith(BLOBS_PATH):
            return self._blob(Digest.parse(request.path.removeprefix(BLOBS_PATH)))
        if request.path.startswith(RELAY_PATH):
            return await self._relays.answer(request, Digest.parse(request.path.removeprefix(RELAY_PATH)))
        if request.path.startswith(EVIDENCE_PATH):
            return _sent(await self._witness.evidence(Digest.parse(request.path.removeprefix(EVIDENCE_PATH))))
        if request.path.startswith(PIECES_PATH):
            return await self._piece(request.path.removeprefix(PIECES_PATH))
        return web.Response(status=404)

    def _blob(self, digest: Digest) -> web.Response:
        response = _sent(data := self._blobs.small(digest))
        if data is not None:
            response.headers[SEAL_HEADER] = self._witness.vouch(digest, data)
        return response

    async def _piece(self, wanted: str) -> web.Response:
        digest, _, index = wanted.partition("/")
        if not (index.isascii() and index.isdigit() and len(index) <= _MAX_INDEX_DIGITS):
            return web.Response(status=400)
        return _sent(await self._witness.piece(Digest.parse(digest), int(index)))


def _sent(data: bytes | None) -> web.Response:
    if data is None:
        return web.Response(status=404)
    return web.Response(body=data, content_type="application/octet-stream")
