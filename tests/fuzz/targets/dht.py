"""What comes in by UDP, and what is kept of it."""

import asyncio
from random import Random
from typing import Any

from p2player.dht.node import DhtNode
from p2player.dht.packing import pack, unpack
from p2player.dht.records import MAX_RECORD, NameRecord, NodeAddress, Provider, RecordError, unpack_record
from p2player.dht.state import State
from p2player.dht.wire import MAX_DATAGRAM, Address, Codec, DatagramError, Message, Neighbour, Reply, Store
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from tests.dht.messages import BODIES, HERE, KEY
from tests.fuzz.scratch import as_file
from tests.fuzz.shapes import MSGPACK
from tests.fuzz.target import Target

_SIGNER = Identity.from_seed(bytes(32))
_SECRET = ClusterSecret(bytes(range(32)))
_CODEC = Codec(Keyring.of(_SECRET))
_NOW = 1_800_000_000_000
_DIGEST = Digest.of(b"")
_CONTEXT = b"p2player record v1\0"

_PROVIDER = Provider.make(
    _SIGNER,
    digest=_DIGEST,
    size=5,
    root=bytes(32),
    address=NodeAddress("10.0.0.1", 7400, 7401),
    complete=True,
    issued=_NOW,
    expires=_NOW + 3_600_000,
)
_NAME = NameRecord.make(
    _SIGNER,
    scope="docker.io/library/app",
    name="1",
    digest=_DIGEST,
    media_type="application/vnd.oci.image.manifest.v1+json",
    size=5,
    issued=_NOW,
    upstream=True,
)
_BODIES = (
    *BODIES,
    Store(_PROVIDER.pack()),
    Reply(HERE, (Neighbour(KEY, Address("2001:db8::1", 1)),), (_NAME.pack(),), 1),
)
_MESSAGES = tuple(Message(bytes(8), _SIGNER.public_key, _NOW, body) for body in _BODIES)


def _seal(plain: bytes) -> bytes:
    return _CODEC._current.close(plain)


def _open(datagram: bytes) -> bytes:
    return _CODEC._current.open(datagram)


def _datagram(data: bytes) -> None:
    _CODEC.decode(data)


def _plaintext(data: bytes) -> None:
    message, _ = _CODEC.decode(_seal(data))
    assert _CODEC.decode(_CODEC.encode(message))[0] == message


class _Silence(asyncio.DatagramTransport):
    """Takes what a node sends, and nobody hears of it."""

    def sendto(self, data: bytes, addr: Any = None) -> None:
        assert len(data) <= MAX_DATAGRAM
        Address(*addr)

    def close(self) -> None:
        pass


async def _handled(plain: bytes) -> None:
    protocols: list[asyncio.DatagramProtocol] = []

    async def open_silence(protocol: asyncio.DatagramProtocol, host: str, port: int) -> Address:
        protocols.append(protocol)
        protocol.connection_made(_Silence())
        return Address(host, port)

    node = DhtNode(
        Identity.from_seed(bytes([1]) * 32),
        Keyring.of(_SECRET),
        now_ms=lambda: _NOW,
        open_datagrams=open_silence,
        rng=Random(1),
    )
    await node.start("10.0.0.1", 7400, swarm_port=7401)
    protocols[0].datagram_received(_seal(plain), ("10.0.0.2", 7400))
    await asyncio.sleep(0)
    await node.close()


def _node(data: bytes) -> None:
    asyncio.run(_handled(data))


def _record(body: bytes) -> None:
    raw = body + _SIGNER.sign(_CONTEXT + body)
    record = unpack_record(raw)
    assert record.pack() == raw
    assert len(raw) <= MAX_RECORD
    assert record.node_id == _SIGNER.node_id
    assert len(record.key) == len(KEY)


def _unsigned_record(data: bytes) -> None:
    unpack_record.__wrapped__(data)


def _state(data: bytes) -> None:
    state = State.load(as_file(data))
    assert State.load(as_file(pack([[list(address) for address in state.neighbours], list(state.records)]))) == state


def _packed(data: bytes) -> None:
    unpack(data)


TARGETS = (
    Target("dht.datagram", _datagram, (DatagramError,), tuple(map(_CODEC.encode, _MESSAGES)), max_length=1300),
    Target(
        "dht.plaintext",
        _plaintext,
        (DatagramError,),
        tuple(_open(_CODEC.encode(message)) for message in _MESSAGES),
        max_length=1200,
        shape=MSGPACK,
    ),
    Target(
        "dht.node",
        _node,
        (),
        tuple(_open(_CODEC.encode(message)) for message in _MESSAGES),
        max_length=1200,
        shape=MSGPACK,
    ),
    Target(
        "dht.record",
        _record,
        (RecordError,),
        (_PROVIDER.pack()[:-64], _NAME.pack()[:-64]),
        max_length=900,
        shape=MSGPACK,
    ),
    Target("dht.unsigned_record", _unsigned_record, (RecordError,), (_PROVIDER.pack(), _NAME.pack()), max_length=900),
    Target("dht.packing", _packed, (ValueError,), (pack([1, b"x", "y", [True, None]]),), shape=MSGPACK),
    Target("dht.state", _state, (), (pack([[["10.0.0.1", 7400]], [_PROVIDER.pack()]]),), shape=MSGPACK),
)
