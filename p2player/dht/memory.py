"""Twins of what a simulation of thousands of nodes in one process spends most of its time on: sealing, packing, signing."""

from functools import lru_cache
from typing import Final

from p2player.dht.records import NameRecord, Provider, read_record
from p2player.dht.wire import DatagramError, Message
from p2player.peer.identity import verify_simulated

_VERIFIED_KEPT: Final = 1 << 16


class _Carried(bytes):
    """Stands for a datagram and holds its message as it is."""

    message: Message


class MemoryCodec:
    """A DatagramCodec that packs and seals nothing. A transport has to hand on the very object that it was given."""

    def encode(self, message: Message, seal: object = None) -> bytes:
        """Return what stands for the datagram of message; it has no length."""
        del seal
        carried = _Carried()
        carried.message = message
        return carried

    def decode(self, datagram: bytes) -> tuple[Message, None]:
        """Return the message that datagram stands for; raises DatagramError."""
        if not isinstance(datagram, _Carried):
            raise DatagramError("not_ours")
        return datagram.message, None


@lru_cache(maxsize=_VERIFIED_KEPT)
def unpack_simulated(raw: bytes) -> Provider | NameRecord:
    """Return the record of a SimulatedIdentity; see `Unpack`."""
    return read_record(raw, verify_simulated)
