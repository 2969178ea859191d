"""What other nodes say over HTTP, and the torrents they could send."""

from p2player.errors import InvalidConfig, InvalidMetainfo
from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.protocol import DEPTH_HEADER, NEXT_HEADER
from p2player.peer.relay import MAX_INSISTING, Elsewhere
from p2player.peer.secretfile import accepted_at, read_secrets
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.swarm.metainfo import Metainfo
from tests.fuzz.scratch import as_file
from tests.fuzz.target import Target, as_pairs, as_text

_ID = "ab" * 20
_BEFORE = tuple(Neighbour(NodeId.parse(_ID), "10.0.0.1", port) for port in (7400, 7401))
_STANDING = Standing(7, 7, Place(3, NodeId.parse(_ID), _BEFORE))


def _node_id(data: bytes) -> None:
    node = NodeId.parse(as_text(data))
    assert NodeId.parse(str(node)) == node


def _neighbour(data: bytes) -> None:
    neighbour = Neighbour.parse(as_text(data))
    assert Neighbour.parse(str(neighbour)) == neighbour


def _elsewhere(data: bytes) -> None:
    found = Elsewhere.of(dict(as_pairs(data)))
    assert len(found.neighbours) <= MAX_INSISTING
    assert Elsewhere.of(found.to_headers()) == found


def _standing(data: bytes) -> None:
    standing = Standing.of(dict(as_pairs(data)))
    assert Standing.of(standing.to_headers()) == standing


def _metainfo(data: bytes) -> None:
    metainfo = Metainfo.from_torrent(data)
    assert Metainfo.from_torrent(metainfo.torrent_file(b"")) == metainfo
    assert metainfo.piece_count > 0


def _secrets(data: bytes) -> None:
    dated, _ = read_secrets(as_file(data))
    assert accepted_at(dated, 0.0)
    for secret in accepted_at(dated, 2e9):
        assert not secret.is_public
        assert len(secret.derive("fuzz")) == 32


TARGETS = (
    Target("peer.node_id", _node_id, (ValueError,), (_ID.encode(),)),
    Target("peer.neighbour", _neighbour, (ValueError,), (f"{_ID} 10.0.0.1 7400".encode(), f"{_ID} ::1 1".encode())),
    Target(
        "peer.elsewhere",
        _elsewhere,
        (ValueError,),
        (f"{NEXT_HEADER}: {_ID} 10.0.0.1 7400, {_ID} 10.0.0.2 7400\n{DEPTH_HEADER}: 7".encode(),),
    ),
    Target(
        "peer.standing",
        _standing,
        (ValueError,),
        ("\n".join(": ".join(pair) for pair in _STANDING.to_headers().items()).encode(),),
    ),
    Target(
        "peer.metainfo",
        _metainfo,
        (InvalidMetainfo,),
        (
            Metainfo(Digest.of(b"x"), 1, b"r" * 32).torrent_file(b""),
            Metainfo(Digest.of(b"x"), 1 << 30, b"r" * 32).torrent_file(b"l" * 64),
        ),
    ),
    Target(
        "peer.secrets", _secrets, (InvalidConfig,), (b"0123456789abcdef\nfedcba9876543210 from 2030-12-01T00:00:00Z\n",)
    ),
)
