"""The datagrams of the DHT: typed requests and replies, packed with msgpack and sealed with the cluster's key.

    datagram  = version (1 byte) · nonce (12) · AES-GCM-SIV of plaintext (+16)
    plaintext = [message id, sender's public key, time, kind, *fields of the kind]

All nodes of a cluster seal under one key with random nonces, so the cipher is one that a repeated nonce does not break
(RFC 8452). While a key is being replaced the ones before and after it open datagrams too. A sender is known by the hash
of its public key, so that a place in the key space cannot be chosen. The time is in milliseconds since the epoch: in a
reply what the sender's own clock says, in everything else the time of its cluster.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from p2player.dht.packing import pack, unpack
from p2player.dht.records import KEY_BYTES, MAX_RECORD, MAX_TIME
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret

MAX_DATAGRAM: Final = 1200
"""Fits the path MTU of any IPv6 link and of common tunnels without fragments."""
MESSAGE_ID_BYTES: Final = 8

_VERSION: Final = b"\x02"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PUBLIC_KEY_BYTES: Final = 32
_PORT_BYTES: Final = 2
_MAX_TEXT: Final = 300
_FAMILY_OF_LENGTH: Final = {4: socket.AF_INET, 16: socket.AF_INET6}
_SEAL_BYTES: Final = len(_VERSION) + _NONCE_BYTES + _TAG_BYTES
_HEADER: Final = 3  # msgpack's, before a byte string of this size
_REPLY_ROOM: Final = MAX_DATAGRAM - _SEAL_BYTES - 89  # what an empty reply takes, every number at its widest
_NEIGHBOURS_KEPT: Final = 4096  # in their other form, for the same ones are told again and again
_RECORDS_ROOM: Final = MAX_RECORD + _HEADER

T = TypeVar("T")


class DatagramError(ValueError):
    """A datagram that is none of ours; `reason` is the name it is counted under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Address(NamedTuple):
    """An IP literal and a UDP port."""

    host: str
    port: int


class Neighbour(NamedTuple):
    """A node as one node tells another of it."""

    node_id: bytes
    address: Address


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask whether a node is there, and who it is."""


@dataclass(frozen=True, slots=True)
class FindNodes:
    """Ask for the nodes nearest to key."""

    key: bytes


@dataclass(frozen=True, slots=True)
class FindProviders:
    """Ask for provider records under key, and for the nodes nearest to it.

    `turn` (any number, one a lookup) chooses which of many come first, `skip` how many of them are known already.
    """

    key: bytes
    turn: int
    skip: int = 0


@dataclass(frozen=True, slots=True)
class FindName:
    """Ask for the record of one name under key, and for the nodes nearest to it."""

    key: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ListNames:
    """Ask for the records under key whose names sort behind `after`, and for the nodes nearest to it."""

    key: bytes
    after: str


@dataclass(frozen=True, slots=True)
class Store:
    """Ask to keep a record."""

    record: bytes


Request: TypeAlias = Ping | FindNodes | FindProviders | FindName | ListNames | Store


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to any request.

    `seen` is the address the request came from. `records` answer a Find or List request; to a Store they are the newer
    record that is kept instead, if there is one. `total` counts what the answerer holds of what was asked, this page
    included.
    """

    seen: Address
    neighbours: tuple[Neighbour, ...] = ()
    records: tuple[bytes, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class WrongTime:
    """The answer to a request dated far from the time of the answerer's cluster, which this message's time tells."""

    seen: Address


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram's content."""

    message_id: bytes
    public_key: bytes
    time_ms: int
    body: Request | Reply | WrongTime


class _Kind(IntEnum):
    PING = 0
    FIND_NODES = 1
    FIND_PROVIDERS = 2
    FIND_NAME = 3
    LIST_NAMES = 4
    STORE = 5
    REPLY = 6
    WRONG_TIME = 7


class Seal:
    """One key of a cluster, which closes datagrams and opens them."""

    def __init__(self, secret: ClusterSecret) -> None:
        self._cipher = AESGCMSIV(secret.derive("dht"))

    def close(self, plain: bytes) -> bytes:
        """Return the datagram that holds plain."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION)

    def open(self, datagram: bytes) -> bytes:
        """Return what datagram holds; raises InvalidTag if it was closed with another key, or changed since."""
        nonce, sealed = datagram[1 : 1 + _NONCE_BYTES], datagram[1 + _NONCE_BYTES :]
        return self._cipher.decrypt(nonce, sealed, _VERSION)


class DatagramCodec(Protocol):
    """The port between messages and datagrams; a seal means something to the codec it is of alone."""

    def encode(self, message: Message, seal: Any = None) -> bytes:
        """Return the datagram of message, closed under seal if one is given."""

    def decode(self, datagram: bytes) -> tuple[Message, Any]:
        """Return the message in datagram, every field of the right shape, and its seal; raises DatagramError."""


class Codec:
    """Turns messages into sealed datagrams and back, with the secrets that are good now."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._seals: dict[ClusterSecret, Seal] = {}
        self._follow()
        keyring.on_change(self._follow)

    def encode(self, message: Message, seal: Seal | None = None) -> bytes:
        """Return the datagram of message, under the current key if no other is given."""
        plain = pack([message.message_id, message.public_key, message.time_ms, *_fields(message.body)])
        return (seal or self._current).close(plain)

    def decode(self, datagram: bytes) -> tuple[Message, Seal]:
        """Return the message in datagram, every field of the right shape, and what opened it; raises DatagramError."""
        if len(datagram) > MAX_DATAGRAM:
            raise DatagramError("too_long")
        if datagram[:1] != _VERSION or len(datagram) <= _SEAL_BYTES:
            raise DatagramError("not_ours")
        plain, seal = self._open(datagram)
        try:
            return _parse(unpack(plain)), seal
        except DatagramError:
            raise
        except ValueError as error:
            raise DatagramError("malformed") from error

    def _open(self, datagram: bytes) -> tuple[bytes, Seal]:
        for seal in self._seals.values():
            with contextlib.suppress(InvalidTag):
                return seal.open(datagram), seal
        raise DatagramError("not_sealed_with_our_key")

    def _follow(self) -> None:
        self._seals = {secret: self._seals.get(secret) or Seal(secret) for secret in self._keyring.accepted}
        self._current = next(iter(self._seals.values()))


def records_that_fit(records: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the first records that one reply has room for, always at least one and some neighbours beside it."""
    return _fit(records, _RECORDS_ROOM, lambda record: len(record) + _HEADER)


def neighbours_that_fit(neighbours: Iterable[Neighbour], records: Iterable[bytes]) -> tuple[Neighbour, ...]:
    """Return the first neighbours that a reply has room for beside records."""
    taken = sum(len(record) + _HEADER for record in records)
    return _fit(neighbours, _REPLY_ROOM - taken, lambda neighbour: len(_pack_neighbour(neighbour)) + _HEADER)


def _fit(items: Iterable[T], room: int, size: Callable[[T], int]) -> tuple[T, ...]:
    fitting: list[T] = []
    for item in items:
        room -= size(item)
        if room < 0:
            break
        fitting.append(item)
    return tuple(fitting)


def _fields(body: Request | Reply | WrongTime) -> list[Any]:  # noqa: PLR0911  (one return a kind)
    match body:
        case Ping():
            return [_Kind.PING]
        case FindNodes(key):
            return [_Kind.FIND_NODES, key]
        case FindProviders(key, turn, skip):
            return [_Kind.FIND_PROVIDERS, key, turn, skip]
        case FindName(key, name):
            return [_Kind.FIND_NAME, key, name]
        case ListNames(key, after):
            return [_Kind.LIST_NAMES, key, after]
        case Store(record):
            return [_Kind.STORE, record]
        case Reply(seen, neighbours, records, total):
            packed = [_pack_neighbour(neighbour) for neighbour in neighbours]
            return [_Kind.REPLY, _pack_address(seen), packed, records, total]
        case WrongTime(seen):
            return [_Kind.WRONG_TIME, _pack_address(seen)]


def _parse(value: Any) -> Message:
    match value:
        case [bytes(message_id), bytes(public_key), int(time_ms), *fields]:
            _require(len(message_id) == MESSAGE_ID_BYTES and len(public_key) == _PUBLIC_KEY_BYTES)
            _require(0 <= time_ms < MAX_TIME)
            return Message(message_id, public_key, time_ms, _parse_body(fields))
    raise DatagramError("malformed")


def _parse_body(fields: list[Any]) -> Request | Reply | WrongTime:  # noqa: PLR0911  (one return a kind)
    match fields:
        case [_Kind.REPLY, seen, list(neighbours), list(records), int(total)]:  # first, for it is half of all
            _require(total >= 0 and all(isinstance(record, bytes) for record in records))
            return Reply(_parse_address(seen), tuple(map(_parse_neighbour, neighbours)), tuple(records), total)
        case [_Kind.PING]:
            return Ping()
        case [_Kind.FIND_NODES, key]:
            return FindNodes(_key(key))
        case [_Kind.FIND_PROVIDERS, key, int(turn), int(skip)]:
            _require(turn >= 0 and skip >= 0)
            return FindProviders(_key(key), turn, skip)
        case [_Kind.FIND_NAME, key, name]:
            return FindName(_key(key), _text(name))
        case [_Kind.LIST_NAMES, key, after]:
            return ListNames(_key(key), _text(after))
        case [_Kind.STORE, bytes(record)]:
            return Store(record)
        case [_Kind.WRONG_TIME, seen]:
            return WrongTime(_parse_address(seen))
    raise DatagramError("malformed")


@lru_cache(maxsize=_NEIGHBOURS_KEPT)
def _pack_neighbour(neighbour: Neighbour) -> bytes:
    return neighbour.node_id + _pack_address(neighbour.address)


def _parse_neighbour(value: Any) -> Neighbour:
    _require(isinstance(value, bytes) and len(value) > KEY_BYTES)
    return _neighbour_of(value)


@lru_cache(maxsize=_NEIGHBOURS_KEPT)
def _neighbour_of(value: bytes) -> Neighbour:
    return Neighbour(value[:KEY_BYTES], _parse_address(value[KEY_BYTES:]))


def _pack_address(address: Address) -> bytes:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.inet_pton(family, address.host) + address.port.to_bytes(_PORT_BYTES, "big")


def _parse_address(value: Any) -> Address:
    _require(isinstance(value, bytes))
    return _address_of(value)


@lru_cache(maxsize=_NEIGHBOURS_KEPT)
def _address_of(value: bytes) -> Address:
    _require(len(value) - _PORT_BYTES in _FAMILY_OF_LENGTH)
    host, port = value[:-_PORT_BYTES], int.from_bytes(value[-_PORT_BYTES:], "big")
    _require(port > 0)
    return Address(socket.inet_ntop(_FAMILY_OF_LENGTH[len(host)], host), port)


def _key(value: Any) -> bytes:
    _require(isinstance(value, bytes) and len(value) == KEY_BYTES)
    return bytes(value)


def _text(value: Any) -> str:
    _require(isinstance(value, str) and len(value) <= _MAX_TEXT)
    return str(value)


def _require(condition: bool) -> None:
    if not condition:
        raise DatagramError("malformed")
