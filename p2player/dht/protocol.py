"""Requests and replies over datagrams: kademlia's protocol with sealed, typed, checked messages.

A datagram is opened, checked and answered at once, in the callback it arrives in; nothing it holds can raise. A reply
counts only if it carries the id of a request under way and comes from the address that was asked. A request counts once,
while it is fresh, and up to a rate. Whoever sent one is asked itself before it becomes a contact, so that nobody can enter
another's address.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from kademlia.protocol import KademliaProtocol

from p2player.dht.clock import TOLERANCE_MS, ClusterClock
from p2player.dht.limits import Rate, SenderLimits
from p2player.dht.records import RecordError
from p2player.dht.replay import ReplayWindow
from p2player.dht.routing import Contact, Table
from p2player.dht.timing import RoundTrip
from p2player.dht.wire import (
    MESSAGE_ID_BYTES,
    Address,
    DatagramCodec,
    DatagramError,
    Message,
    Ping,
    Reply,
    Request,
    WrongTime,
)
from p2player.peer.identity import NodeId

_SHUNNED_FOR: Final = 60.0
_SHUNNED_KEPT: Final = 1024
_CHECKED_AT_ONCE: Final = 128
_REQUESTS: Final = Rate(per_second=1000.0, burst=8192.0)
_WRONG_TIMES: Final = Rate(per_second=5.0, burst=50.0)

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
    tells_of_silence: bool = True
    is_repeated: bool = True
    dated_anew: bool = False
    timer: asyncio.TimerHandle | None = None
    sent_at: dict[bytes, float] = field(default_factory=dict)


class SealedProtocol(KademliaProtocol):
    """The datagram side of one node."""

    def __init__(
        self,
        public_key: bytes,
        codec: DatagramCodec,
        table: Table,
        clock: ClusterClock,
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
        self._clock = clock
        self._answer = answer
        self._seen_at = seen_at
        self._counters = counters
        self.transport: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._outstanding: dict[bytes, _Pending] = {}
        self._shunned: dict[tuple[bytes, Address], float] = {}
        self._seen_requests = ReplayWindow(2 * TOLERANCE_MS / 1000)
        self._requests = SenderLimits(_REQUESTS)
        self._wrong_times = SenderLimits(_WRONG_TIMES)
        self._checked: set[bytes] = set()

    def ask(
        self, address: Address, request: Request, node_id: bytes | None = None
    ) -> "asyncio.Future[Answered | None]":
        """Return a future of the answer to request: None if none came in time, or not from the node node_id.

        A datagram may be lost, so a request whose answer is late is sent once more.
        """
        return self._begin(_Pending(request, address, node_id, self._loop.create_future()))

    def knock(self, address: Address) -> "asyncio.Future[Answered | None]":
        """Return a future of the answer to a ping that is sent only once: None if nobody, whoever it be, answers there."""
        return self._begin(_Pending(Ping(), address, None, self._loop.create_future(), is_repeated=False))

    def shuns(self, node_id: bytes, address: Address) -> bool:
        """Tell whether that node left a request to address unanswered lately and has not been heard of there since."""
        return self._shunned.get((node_id, address), 0.0) > self._now()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Handle one datagram, whatever it is."""
        self._counters["datagrams_in"] += 1
        try:
            message, seal = self._codec.decode(data)
            self._accept(message, seal, NodeId.of(message.public_key).raw, Address(*addr[:2]))
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

    def _accept(self, message: Message, seal: Any, sender: bytes, address: Address) -> None:
        if message.public_key == self._public_key:
            raise DatagramError("own")
        if isinstance(message.body, Reply | WrongTime):
            self._accept_answer(message, message.body, sender, address)
            return
        now = self._now()
        if not self._clock.fits(message.time_ms):
            self._refuse(message, seal, sender, address, now)
            return
        if not self._seen_requests.is_new(sender + message.message_id, now):
            raise DatagramError("replayed")
        if not self._requests.take(sender, address.host, now):
            raise DatagramError("flood")
        reply = self._answer(message.body, sender, address)
        self._shunned.pop((sender, address), None)
        self._check(sender, address)
        self._send(message.message_id, reply, address, self._clock.own_now_ms(), seal)

    def _refuse(self, request: Message, seal: Any, sender: bytes, address: Address, now: float) -> None:
        """Answer a request dated wrongly with the time and nothing else."""
        self._counters["dropped_wrong_time"] += 1
        if self._wrong_times.take(sender, address.host, now):
            self._send(request.message_id, WrongTime(address), address, self._clock.now_ms(), seal)

    def _accept_answer(self, message: Message, body: Reply | WrongTime, sender: bytes, address: Address) -> None:
        pending = self._outstanding.get(message.message_id)
        if pending is None or pending.address != address:
            raise DatagramError("unasked_reply")
        if pending.node_id not in {None, sender}:
            self._miss(pending)
            return
        took = self._now() - pending.sent_at[message.message_id]
        self.round_trip.took(took)
        self._shunned.pop((sender, address), None)
        if isinstance(body, WrongTime):
            self._clock.refused(sender, address.host, message.time_ms, took)
            self._date_anew(pending, message.time_ms)
            return
        self._clock.heard(sender, address.host, message.time_ms, took)
        self._seen_at(sender, body.seen.host)
        self._finish(pending, Answered(self.router.heard(sender, address), body))

    def _date_anew(self, pending: _Pending, their_ms: int) -> None:
        """Ask once more if that node and this one now agree about the time; else it cannot be talked to."""
        is_useful = not pending.dated_anew and abs(their_ms - self._clock.now_ms()) <= TOLERANCE_MS
        again = replace(pending, dated_anew=True, timer=None, sent_at={})
        self._forget(pending)
        if is_useful:
            self._begin(again)
        elif not pending.future.done():
            pending.future.set_result(None)

    def _check(self, sender: bytes, address: Address) -> None:
        """Ask who sent a request whether it is there, if it is to become a contact, again or at another address.

        A known contact stays where it is as long as it answers there.
        """
        known = self.router.get(sender)
        if known is not None and known.address == address and not known.silent:
            return
        if (known is None and not self.router.wants(sender)) or sender in self._checked:
            return
        if len(self._checked) >= _CHECKED_AT_ONCE:
            return
        self._checked.add(sender)
        if known is None or known.address == address:
            self._probe(sender, address)
        else:
            self.ask(known.address, Ping(), sender).add_done_callback(
                lambda answer: self._checked.discard(sender) if answer.result() else self._probe(sender, address)
            )

    def _probe(self, sender: bytes, address: Address) -> None:
        future = self._loop.create_future()
        # That nobody answers says nothing about sender: the address may not be its own.
        self._begin(_Pending(Ping(), address, sender, future, tells_of_silence=False))
        future.add_done_callback(lambda _: self._checked.discard(sender))

    def _begin(self, pending: _Pending) -> "asyncio.Future[Answered | None]":
        if self.transport is None:
            pending.future.set_result(None)
        elif pending.is_repeated:
            self._send_request(pending, self.round_trip.patience, self._repeat)
        else:
            self._send_request(pending, self.round_trip.limit, self._miss)
        return pending.future

    def _send_request(self, pending: _Pending, wait: float, then: Callable[[_Pending], None]) -> None:
        message_id = os.urandom(MESSAGE_ID_BYTES)
        self._outstanding[message_id] = pending
        pending.sent_at[message_id] = self._now()
        pending.timer = self._loop.call_later(wait, then, pending)
        self._send(message_id, pending.request, pending.address, self._clock.now_ms())

    def _repeat(self, pending: _Pending) -> None:
        self._send_request(pending, self.round_trip.limit - self.round_trip.patience, self._miss)

    def _finish(self, pending: _Pending, answered: Answered | None) -> None:
        self._forget(pending)
        if not pending.future.done():
            pending.future.set_result(answered)

    def _forget(self, pending: _Pending) -> None:
        for message_id in pending.sent_at:
            del self._outstanding[message_id]
        if pending.timer is not None:
            pending.timer.cancel()

    def _miss(self, pending: _Pending) -> None:
        self._counters["requests_unanswered"] += 1
        if (node_id := pending.node_id) is not None and pending.tells_of_silence:
            self.router.missed(node_id, pending.address)
            if len(self._shunned) >= _SHUNNED_KEPT:
                del self._shunned[next(iter(self._shunned))]
            self._shunned[node_id, pending.address] = self._now() + _SHUNNED_FOR
        self._finish(pending, None)

    def _send(
        self,
        message_id: bytes,
        body: Request | Reply | WrongTime,
        address: Address,
        time_ms: int,
        seal: Any = None,
    ) -> None:
        if self.transport is None:
            return
        self._counters["datagrams_out"] += 1
        message = Message(message_id, self._public_key, time_ms, body)
        self.transport.sendto(self._codec.encode(message, seal), address)
