"""Asks other nodes for small blobs over their HTTP interface, and for larger ones that they are still fetching."""

import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from p2player.bodies import chunks_of
from p2player.errors import DigestMismatch, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.address import MAX_SEALED_ADDRESS
from p2player.peer.evidence import MAX_SEALED_EVIDENCE, MAX_SEALED_PIECE, voucher
from p2player.peer.identity import NodeId
from p2player.peer.protocol import (
    FRONT_HEADER,
    INSIST_HEADER,
    NODE_HEADER,
    NODE_PATH,
    SEAL_HEADER,
    SMALL_BLOB,
    WRONG_HEADER,
    address_path,
    blob_path,
    evidence_path,
    piece_path,
    relay_path,
)
from p2player.peer.relay import Elsewhere, Sent
from p2player.peer.segments import HEADER_BYTES, segment_bytes
from p2player.peer.standing import Standing
from p2player.peer.tls import ClusterTls

_TLS_HINT: Final = (
    "do both nodes have the same secret, and certificates of the same CA that have not expired? see: p2player doctor"
)
_READ_BUFFER = 512 * 1024
_CONNECT_SECONDS = 2.0


class SentOn(Exception):
    """A node that has its follower names others instead."""

    def __init__(self, instead: Elsewhere) -> None:
        super().__init__(f"follow one of {len(instead.neighbours)} others")
        self.instead = instead


class OtherBytes(DigestMismatch):
    """A blob that is not the one asked for. `signer` is who has signed to send it, or None if nobody has."""

    def __init__(self, message: str, signer: NodeId | None) -> None:
        super().__init__(message)
        self.signer = signer


class PeerClient:
    """Connections to other nodes, kept open between requests. Made inside a running event loop."""

    def __init__(self, tls: ClusterTls, node_id: NodeId, cluster_port: int) -> None:
        self._tls = tls
        self._about_me = f"{node_id} {cluster_port}"
        self._session = aiohttp.ClientSession(
            # A body is what its digest says it is, byte by byte: nothing here unpacks, follows or remembers.
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            # One connection a blob that is followed, and a chain can be as long as the cluster.
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=_READ_BUFFER,
        )

    async def get_small(self, host: str, port: int, digest: Digest, *, timeout: float) -> bytes:  # noqa: ASYNC109  (for one peer; the caller has more of them)
        """Return a blob of at most SMALL_BLOB bytes from the node at host and port, within timeout seconds.

        Raises PeerUnreachable, or OtherBytes if that is what came.
        """
        data, headers = await self._get(host, port, blob_path(digest), limit=SMALL_BLOB, timeout=timeout)
        if not digest.matches(data):
            signer = voucher(digest, data, headers.get(SEAL_HEADER, ""))
            raise OtherBytes(f"{host}:{port} sent other bytes than {digest}", signer)
        return data

    async def evidence(self, host: str, port: int, digest: Digest, *, timeout: float) -> bytes:  # noqa: ASYNC109  (as above)
        """Return what the node at host and port has to say for a blob's hash tree. Raises PeerUnreachable."""
        return (await self._get(host, port, evidence_path(digest), limit=MAX_SEALED_EVIDENCE, timeout=timeout))[0]

    async def piece(self, host: str, port: int, digest: Digest, index: int, *, timeout: float) -> bytes:  # noqa: ASYNC109  (as above)
        """Return the piece that the node at host and port shows for its evidence. Raises PeerUnreachable."""
        return (await self._get(host, port, piece_path(digest, index), limit=MAX_SEALED_PIECE, timeout=timeout))[0]

    async def address(self, host: str, port: int, nonce: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109  (as above)
        """Return what the node at host and port has to say of where its swarm listens. Raises PeerUnreachable."""
        return (await self._get(host, port, address_path(nonce), limit=MAX_SEALED_ADDRESS, timeout=timeout))[0]

    async def skew(self, host: str, port: int, *, timeout: float) -> float:  # noqa: ASYNC109  (as above)
        """Return by how many seconds this clock is ahead of that of the node at host and port. Raises PeerUnreachable."""
        _, headers = await self._get(host, port, NODE_PATH, limit=SMALL_BLOB, timeout=timeout)
        try:
            return time.time() - parsedate_to_datetime(headers["Date"]).timestamp()  # RFC 9110, section 6.6.1
        except (LookupError, ValueError) as error:
            raise PeerUnreachable(f"{host}:{port} answered without its time") from error

    async def _get(
        self,
        host: str,
        port: int,
        path: str,
        *,
        limit: int,
        timeout: float,  # noqa: ASYNC109  (as above)
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return what is at path, and the headers, within timeout seconds.

        Raises PeerUnreachable, also if it is more than limit bytes.
        """
        peer, what = f"{host}:{port}", path.removeprefix("/p2p/v1/")
        try:
            async with self._session.get(
                self._url(host, port, path),
                ssl=self._tls.client or True,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise PeerUnreachable(f"{peer} answered {response.status} for {what}")
                data = await _read(response, limit)
        except TimeoutError as error:
            raise PeerUnreachable(f"{peer} did not answer within {timeout} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PeerUnreachable(f"{peer} did not answer: {error}", hint=_hint(error)) from error
        if data is None:
            raise PeerUnreachable(f"{peer} sent more than {limit} bytes for {what}")
        return data, response.headers

    async def standing(
        self,
        host: str,
        port: int,
        digest: Digest,
        *,
        front: int = 0,
        wrong: int | None = None,
        timeout: float,  # noqa: ASYNC109  (as above)
    ) -> Standing | None:
        """Return how far the node at host and port is with a blob, or None if it does not say within timeout seconds.

        It also tells the digest of the first `front` bytes, if that is not 0 and it knows; and it is told where some bytes
        are `wrong` that were passed on, if this node has found that out.
        """
        path = relay_path(digest)
        headers = {FRONT_HEADER: str(front)} if front else {}
        if wrong is not None:
            headers |= {WRONG_HEADER: str(wrong), NODE_HEADER: self._about_me}
        try:
            async with self._session.head(
                self._url(host, port, path),
                headers=headers,
                ssl=self._tls.client or True,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                return Standing.of(response.headers) if response.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None

    @asynccontextmanager
    async def follow(self, host: str, port: int, digest: Digest, start: int, *, insist: bool) -> AsyncIterator[Sent]:
        """Open the segments of a blob from the one at start on, at a node that has them or is getting them.

        Raises PeerUnreachable if it cannot be connected to, or (also from the chunks) breaks off, and SentOn if it has its
        follower. Nothing is checked here.
        """
        path = relay_path(digest)
        peer = f"{host}:{port}"
        headers = {NODE_HEADER: self._about_me, "Range": f"bytes={start}-"}
        if insist:
            headers[INSIST_HEADER] = "1"
        try:
            async with self._session.get(
                self._url(host, port, path),
                ssl=self._tls.client or True,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                if response.status == 409:
                    raise SentOn(Elsewhere.of(response.headers))
                if response.status != 200:
                    raise PeerUnreachable(f"{peer} answered {response.status} for {digest}")
                standing = Standing.of(response.headers)
                yield Sent(standing, chunks_of(response, HEADER_BYTES + segment_bytes(standing.size)))
        except TimeoutError as error:
            raise PeerUnreachable(f"{peer} did not answer within {_CONNECT_SECONDS} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnreachable(f"{peer} broke off: {error}", hint=_hint(error)) from error

    def _url(self, host: str, port: int, path: str) -> URL:
        return URL.build(scheme="https" if self._tls.client else "http", host=host, port=port, path=path)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def _hint(error: BaseException | None) -> str:
    """Return what to do about an error that TLS has caused, or may have; nothing for others."""
    while error is not None:
        # A certificate that is refused shows as a connection that is closed: it is looked at after ours was (TLS 1.3).
        if isinstance(error, ssl.SSLError | aiohttp.ServerDisconnectedError):
            return _TLS_HINT
        error = error.__cause__
    return ""


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body, or None once it is longer than limit bytes."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)
