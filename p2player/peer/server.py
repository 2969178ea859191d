"""The HTTP interface a node offers the others: small blobs, larger ones to be followed, and who and where it is."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from aiohttp import web

from p2player.counters import Counters
from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest
from p2player.peer.address import Whereabouts, parse_nonce
from p2player.peer.identity import NodeId
from p2player.peer.listener import Listener
from p2player.peer.protocol import (
    ADDRESS_PATH,
    BLOBS_PATH,
    EVIDENCE_PATH,
    NODE_PATH,
    PIECES_PATH,
    RELAY_PATH,
    SEAL_HEADER,
)
from p2player.peer.relay import RelayDesk, Relays
from p2player.peer.tls import ClusterTls

_READING = ("GET", "HEAD")
_MAX_INDEX_DIGITS = 6

_Answer: TypeAlias = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]
"""Answers a request, given what follows on the path in it."""


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
        whereabouts: Whereabouts,
        counters: Counters,
        *,
        node_id: NodeId,
        version: str,
    ) -> None:
        self._tls = tls
        self._blobs = blobs
        self._relays = RelayDesk(relays)
        self._witness = witness
        self._whereabouts = whereabouts
        self._about = {"node_id": str(node_id), "version": version}
        self._answers: dict[str, _Answer] = {
            BLOBS_PATH: self._blob,
            RELAY_PATH: self._relay,
            EVIDENCE_PATH: self._evidence,
            PIECES_PATH: self._piece,
            ADDRESS_PATH: self._address,
        }
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
        for path, answer in self._answers.items():
            if request.path.startswith(path):
                return await answer(request, request.path.removeprefix(path))
        return web.Response(status=404)

    async def _blob(self, _request: web.BaseRequest, wanted: str) -> web.Response:
        digest = Digest.parse(wanted)
        response = _sent(data := self._blobs.small(digest))
        if data is not None:
            response.headers[SEAL_HEADER] = self._witness.vouch(digest, data)
        return response

    async def _relay(self, request: web.BaseRequest, wanted: str) -> web.StreamResponse:
        return await self._relays.answer(request, Digest.parse(wanted))

    async def _evidence(self, _request: web.BaseRequest, wanted: str) -> web.Response:
        return _sent(await self._witness.evidence(Digest.parse(wanted)))

    async def _piece(self, _request: web.BaseRequest, wanted: str) -> web.Response:
        digest, _, index = wanted.partition("/")
        if not (index.isascii() and index.isdigit() and len(index) <= _MAX_INDEX_DIGITS):
            return web.Response(status=400)
        return _sent(await self._witness.piece(Digest.parse(digest), int(index)))

    async def _address(self, request: web.BaseRequest, wanted: str) -> web.Response:
        try:
            nonce = parse_nonce(wanted)
        except ValueError:
            return web.Response(status=400)
        reached_at = request.transport.get_extra_info("sockname") if request.transport else None
        return _sent(self._whereabouts.sealed(nonce, reached_at[0]) if reached_at else None)


def _sent(data: bytes | None) -> web.Response:
    if data is None:
        return web.Response(status=404)
    return web.Response(body=data, content_type="application/octet-stream")
