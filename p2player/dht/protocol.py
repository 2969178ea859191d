"""Requests and replies over datagrams: kademlia's protocol with sealed, typed, checked messages.

A datagram is opened, checked and answered at once, in the callback it arrives in; nothing it holds can raise. A reply
counts only if it carries the id of a request under way and comes from the address that was asked.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kademlia.protocol import KademliaProtocol

from p2player.dht.records import RecordError
from p2player.dht.routing import Contact, Table
from p2player.dht.timing import RoundTrip
from p2player.dht.wire import MESSAGE_ID_BYTES, Address, Codec, DatagramError, Message, Reply, Request
from p2player.peer.identity import NodeId

_SHUNNED_FOR: Final = 60.0
_SHUNNED_KEPT: Final = 1024

AnswerRequest = Callable[[Request, bytes, Address], Reply]
"""Takes a request, the id of who asks, and the address it is seen at; may raise RecordError."""
SeenAt = Callable[[bytes, str], None]
"""Takes the id of a node and the host at which it sees us."""


class Answered(NamedTuple):
    """A reply and who gave it."""

    contact: Contact
    reply: Reply


@dataclass(slots=True, eq=False)
class _Pending:
    """A request under way; each time it is sent it has another id, so that round trips are measured exactly."""

    request: Request
    address: Address
    node_id: bytes | None
    future: "asyncio.Future[Answered | None]"
    timer: asyncio.TimerHandle | None = None
    sent_at: dict[bytes, float] = field(default_factory=dict)


class SealedProtocol(KademliaProtocol):
    """The datagram side of one node."""

    def __init__(
        self,
        public_key: bytes,
        codec: Codec,
        table: Table,
        *,
        answer: AnswerRequest,
        seen_at: SeenAt,
        counters: Counter[str],
    ) -> None:
        super().__init__(table.node, None, table.ksize)  # type: ignore[no-untyped-call]
        self.router: Table = table
        self.round_trip = RoundTrip()
        self._public_key = public_key
        self._codec = codec
        self._answer = answer
        self._seen_at = seen_at
        self._counters = counters
        self.transport: asyncio.DatagramTransport | None = None
        self._outstanding: dict[bytes, _Pending] = {}
        self._shunned: dict[bytes, float] = {}

    def ask(
        self, address: Address, request: Request, node_id: bytes | None = None
    ) -> "asyncio.Future[Answered | None]":
        """Return a future of the answer to request: None if none came in time, or not from the node node_id.

        A datagram may be lost, so a request whose answer is late is sent once more.
        """
        pending = _Pending(request, address, node_id, asyncio.get_running_loop().create_future())
        if self.transport is None:
            pending.future.set_result(None)
        else:
            self._send_request(pending, self.round_trip.patience, self._repeat)
        return pending.future

    def shuns(self, node_id: bytes) -> bool:
        """Tell whether that node left a request unanswered lately and has not been heard of since."""
        return self._shunned.get(node_id, 0.0) > _now()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Handle one datagram, whatever it is."""
        self._counters["datagrams_in"] += 1
        try:
            message = self._codec.decode(data)
            self._accept(message, NodeId.of(message.public_key).raw, Address(*addr[:2]))
        except DatagramError as error:
            self._counters[f"dropped_{error.reason}"] += 1
        except RecordError:
            self._counters["dropped_bad_record"] += 1

    def error_received(self, exc: Exception) -> None:
        """Count what the network reports; whoever was asked will be missed in time."""
        del exc
        self._counters["network_errors"] += 1

    def close(self) -> None:
        """Stop listening; requests under way end unanswered, as do those that follow."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None
        for pending in set(self._outstanding.values()):
            self._finish(pending, None)

    def _accept(self, message: Message, sender: bytes, address: Address) -> None:
        if message.public_key == self._public_key:
            raise DatagramError("own")
        if isinstance(message.body, Reply):
            self._accept_reply(message.message_id, message.body, sender, address)
            return
        reply = self._answer(message.body, sender, address)
        self._shunned.pop(sender, None)
        self.router.met(sender, address)
        self._send(message.message_id, reply, address)

    def _accept_reply(self, message_id: bytes, reply: Reply, sender: bytes, address: Address) -> None:
        pending = self._outstanding.get(message_id)
        if pending is None or pending.address != address:
            raise DatagramError("unasked_reply")
        self.round_trip.took(_now() - pending.sent_at[message_id])
        self._shunned.pop(sender, None)
        self._seen_at(sender, reply.seen.host)
        contact = self.router.heard(sender, address)
        if pending.node_id in {None, sender}:
            self._finish(pending, Answered(contact, reply))
        else:
            self._miss(pending)

    def _send_request(self, pending: _Pending, wait: float, then: Callable[[_Pending], None]) -> None:
        message_id = os.urandom(MESSAGE_ID_BYTES)
        self._outstanding[message_id] = pending
        pending.sent_at[message_id] = _now()
        pending.timer = asyncio.get_running_loop().call_later(wait, then, pending)
        self._send(message_id, pending.request, pending.address)

    def _repeat(self, pending: _Pending) -> None:
        self._send_request(pending, self.round_trip.limit - self.round_trip.patience, self._miss)

    def _finish(self, pending: _Pending, answered: Answered | None) -> None:
        for message_id in pending.sent_at:
            del self._outstanding[message_id]
        if pending.timer is not None:
            pending.timer.cancel()
        if not pending.future.done():
            pending.future.set_result(answered)

    def _miss(self, pending: _Pending) -> None:
        self._counters["requests_unanswered"] += 1
        if (node_id := pending.node_id) is not None:
            self.router.missed(node_id)
            if len(self._shunned) >= _SHUNNED_KEPT:
                del self._shunned[next(iter(self._shunned))]
            self._shunned[node_id] = _now() + _SHUNNED_FOR
        self._finish(pending, None)

    def _send(self, message_id: bytes, body: Request | Reply, address: Address) -> None:
        if self.transport is None:
            return
        self._counters["datagrams_out"] += 1
        self.transport.sendto(self._codec.encode(Message(message_id, self._public_key, body)), address)


def _now() -> float:
    return asyncio.get_running_loop().time()
