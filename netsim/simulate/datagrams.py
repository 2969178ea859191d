"""How long datagrams would be that a simulation neither packs nor seals (p2player.dht.wire)."""

from typing import Final

from p2player.dht.wire import (
    FindName,
    FindNodes,
    FindProviders,
    ListNames,
    Message,
    Ping,
    Reply,
    Request,
    Store,
    WrongTime,
)

_SEAL: Final = 1 + 12 + 16  # version, nonce, tag
_HEAD: Final = 1 + (2 + 8) + (2 + 32) + 9 + 1  # array, message id, public key, time, kind: msgpack, as all below
_KEY: Final = 2 + 20
_ADDRESS: Final = 2 + 4 + 2  # IPv4
_NEIGHBOUR: Final = 2 + 20 + 4 + 2
_BYTE, _TWO_BYTES, _FOUR_BYTES = 1 << 8, 1 << 16, 1 << 32
_SHORT_ARRAY: Final = 16
_SHORT_TEXT: Final = 32
_SMALL_NUMBER: Final = 1 << 7


def size_of(message: Message) -> int:
    """Return the bytes of the datagram of message, between nodes at IPv4 addresses."""
    return _SEAL + _HEAD + _fields(message.body)


def _fields(body: Request | Reply | WrongTime) -> int:  # noqa: PLR0911  (one return a kind)
    match body:
        case Reply(_, neighbours, records, total):
            told = _array(len(neighbours)) + len(neighbours) * _NEIGHBOUR
            return _ADDRESS + told + _array(len(records)) + sum(map(_packed, records)) + _number(total)
        case FindNodes():
            return _KEY
        case FindProviders(_, turn, skip):
            return _KEY + _number(turn) + _number(skip)
        case Store(record):
            return _packed(record)
        case FindName(_, text) | ListNames(_, text):
            return _KEY + _text(text)
        case Ping():
            return 0
        case WrongTime():
            return _ADDRESS


def _packed(value: bytes) -> int:
    return len(value) + (2 if len(value) < _BYTE else 3)


def _text(value: str) -> int:
    return len(value) + (1 if len(value) < _SHORT_TEXT else 2 if len(value) < _BYTE else 3)


def _array(count: int) -> int:
    return 1 if count < _SHORT_ARRAY else 3


def _number(value: int) -> int:
    if value < _SMALL_NUMBER:
        return 1
    return 2 if value < _BYTE else 3 if value < _TWO_BYTES else 5 if value < _FOUR_BYTES else 9
