"""Whole requests to the interface between nodes, from somebody who was let in."""

import asyncio
from typing import Any, cast

from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from yarl import URL

from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.peer.address import Whereabouts
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.protocol import (
    ADDRESS_PATH,
    BLOBS_PATH,
    EVIDENCE_PATH,
    NODE_HEADER,
    NODE_PATH,
    PIECES_PATH,
    RELAY_PATH,
)
from p2player.peer.secret import ClusterSecret
from p2player.peer.server import PeerServer
from p2player.peer.standing import Place
from p2player.peer.tls import ClusterTls
from tests.fuzz.target import Target, as_pairs, as_text

_BLOB = b"a blob"
_DIGEST = Digest.of(_BLOB)
_ME = Identity.from_seed(bytes(32))
_ID = _ME.node_id
_STATUSES = {200, 400, 404, 405, 409, 416}


class _Holder:
    """Has one small blob, and another that it is still fetching."""

    size, offset, place = 1 << 20, 0, Place(0)

    def small(self, digest: Digest) -> bytes | None:
        return _BLOB if digest == _DIGEST else None

    def relay(self, digest: Digest) -> Any:
        return self if digest == _DIGEST else None

    async def read(self, start: int) -> Any:
        assert 0 <= start <= self.size
        for _ in ():
            yield b""

    async def evidence(self, digest: Digest) -> bytes | None:
        return b"evidence" if digest == _DIGEST else None

    async def piece(self, digest: Digest, index: int) -> bytes | None:
        assert index >= 0
        return b"piece" if digest == _DIGEST else None

    def vouch(self, digest: Digest, data: bytes) -> str:
        return "signature"


class NotHttpError(Exception):
    """What no HTTP parser hands on."""


def _server() -> PeerServer:
    holder = cast("Any", _Holder())
    # Where aiohttp's mocked requests come in.
    whereabouts = Whereabouts(_ME, lambda: ("127.0.0.1", 7401))
    tls = ClusterTls(Keyring.of(ClusterSecret()))
    return PeerServer(tls, holder, holder, holder, whereabouts, Counters(), node_id=_ID, version="1")


def _request(data: bytes) -> None:
    line, _, rest = data.partition(b"\n")
    method, _, path = as_text(line).partition(" ")
    try:
        URL(path)
        request = make_mocked_request(method, path, CIMultiDict(as_pairs(rest)))
    except (ValueError, UnicodeError) as error:
        raise NotHttpError from error
    response = asyncio.run(_server()._answer(request))
    assert response.status in _STATUSES


TARGETS = (
    Target(
        "peer.request",
        _request,
        (NotHttpError,),
        (
            f"GET {BLOBS_PATH}{_DIGEST}".encode(),
            f"HEAD {RELAY_PATH}{_DIGEST}".encode(),
            f"GET {RELAY_PATH}{_DIGEST}\nRange: bytes=262144-\n{NODE_HEADER}: {_ID} 7400\nP2Player-Insist: 1".encode(),
            f"GET {EVIDENCE_PATH}{_DIGEST}".encode(),
            f"GET {PIECES_PATH}{_DIGEST}/3".encode(),
            f"GET {ADDRESS_PATH}{bytes(16).hex()}".encode(),
            f"GET {NODE_PATH}".encode(),
            b"POST /",
        ),
        max_length=1000,
    ),
)
