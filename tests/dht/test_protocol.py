import asyncio
from collections import Counter

import pytest

from p2player.dht.protocol import SealedProtocol
from p2player.dht.records import RecordError
from p2player.dht.routing import Table
from p2player.dht.wire import Address, Codec, FindNodes, Message, Ping, Reply, Store
from p2player.peer.identity import Identity

KEY = bytes(32)
CODEC = Codec(KEY)
HERE = Address("10.0.0.1", 7400)
THERE = Address("10.0.0.2", 7400)
ELSEWHERE = Address("10.0.0.3", 7400)
PEER = Identity.from_seed(b"p" * 32)
OTHER = Identity.from_seed(b"o" * 32)


class Wire(asyncio.DatagramTransport):
    """Takes what the protocol sends, opened again."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def sendto(self, data, addr=None):
        self.sent.append((CODEC.decode(data), addr))

    def close(self):
        pass


class Bench:
    """One protocol, whose every datagram the test hands over or takes."""

    def __init__(self):
        self.own = Identity.from_seed(bytes(32))
        self.counters = Counter()
        self.table = Table(self.own.node_id.raw)
        self.seen = []
        self.protocol = SealedProtocol(
            self.own.public_key,
            CODEC,
            self.table,
            answer=lambda _request, _asker, seen: Reply(seen),
            seen_at=lambda _node, host: self.seen.append(host),
            counters=self.counters,
        )
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    def receive(self, body, source, *, sender=PEER, message_id=bytes(8), codec=CODEC):
        self.protocol.datagram_received(codec.encode(Message(message_id, sender.public_key, body)), source)

    def last_id(self):
        return self.wire.sent[-1][0].message_id


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.protocol.close()


async def test_request_is_answered_under_its_id_and_its_sender_becomes_a_contact(bench):
    bench.receive(Ping(), THERE, message_id=b"12345678")
    (message, address) = bench.wire.sent[0]
    assert (message.message_id, message.body, address) == (b"12345678", Reply(THERE), THERE)
    assert bench.table.get(PEER.node_id.raw).address == THERE


async def test_answer_comes_back_to_who_asked(bench):
    future = bench.protocol.ask(THERE, Ping(), PEER.node_id.raw)
    bench.receive(Reply(HERE), THERE, message_id=bench.last_id())
    answered = await future
    assert answered.contact.id == PEER.node_id.raw
    assert answered.reply == Reply(HERE)
    assert bench.seen == ["10.0.0.1"]


async def test_reply_from_another_address_is_dropped(bench):
    future = bench.protocol.ask(THERE, Ping())
    bench.receive(Reply(HERE), ELSEWHERE, message_id=bench.last_id())
    assert not future.done()
    assert bench.counters["dropped_unasked_reply"] == 1
    assert len(bench.table) == 0


async def test_reply_nobody_asked_for_is_dropped(bench):
    bench.receive(Reply(HERE), THERE)
    assert bench.counters["dropped_unasked_reply"] == 1
    assert len(bench.table) == 0


async def test_reply_counts_once(bench):
    bench.protocol.ask(THERE, Ping())
    for _ in range(2):
        bench.receive(Reply(HERE), THERE, message_id=bench.last_id())
    assert bench.counters["dropped_unasked_reply"] == 1


async def test_answer_by_another_node_than_the_one_asked_is_no_answer(bench):
    bench.table.heard(PEER.node_id.raw, THERE)
    future = bench.protocol.ask(THERE, Ping(), PEER.node_id.raw)
    bench.receive(Reply(HERE), THERE, sender=OTHER, message_id=bench.last_id())
    assert await future is None
    assert bench.table.get(PEER.node_id.raw).silent == 1
    assert bench.table.get(OTHER.node_id.raw).address == THERE


async def test_own_datagram_that_comes_back_is_dropped(bench):
    bench.receive(Ping(), HERE, sender=bench.own)
    assert bench.counters["dropped_own"] == 1
    assert bench.wire.sent == []
    assert len(bench.table) == 0


async def test_what_cannot_be_opened_is_counted_by_reason(bench):
    bench.protocol.datagram_received(b"", THERE)
    bench.protocol.datagram_received(bytes(100), THERE)
    bench.protocol.datagram_received(bytes(2000), THERE)
    bench.receive(Ping(), THERE, codec=Codec(b"k" * 32))
    assert bench.counters["dropped_not_ours"] == 2
    assert bench.counters["dropped_too_long"] == 1
    assert bench.counters["dropped_not_sealed_with_our_key"] == 1
    assert bench.wire.sent == []


async def test_bad_record_is_counted_and_not_answered(bench):
    def refuse(*_):
        raise RecordError("bad")

    bench.protocol._answer = refuse
    bench.receive(Store(b"bad"), THERE)
    assert bench.counters["dropped_bad_record"] == 1
    assert bench.wire.sent == []


def test_late_request_is_repeated_once_and_either_answer_counts(in_cluster):
    async def scenario(cluster):
        bench = Bench()
        future = bench.protocol.ask(THERE, FindNodes(bytes(20)), PEER.node_id.raw)
        first = bench.last_id()
        await asyncio.sleep(bench.protocol.round_trip.patience * 1.1)
        assert [message.body for message, _ in bench.wire.sent] == [FindNodes(bytes(20))] * 2
        assert bench.last_id() != first
        bench.receive(Reply(HERE), THERE, message_id=first)
        assert (await future).reply == Reply(HERE)
        assert not bench.protocol._outstanding

    in_cluster(scenario)


def test_silence_ends_a_request_and_the_silent_node_is_shunned_until_heard(in_cluster):
    async def scenario(cluster):
        bench = Bench()
        assert await bench.protocol.ask(THERE, Ping(), PEER.node_id.raw) is None
        assert asyncio.get_running_loop().time() == pytest.approx(bench.protocol.round_trip.limit)
        assert bench.counters["requests_unanswered"] == 1
        assert bench.protocol.shuns(PEER.node_id.raw)
        bench.receive(Ping(), THERE)
        assert not bench.protocol.shuns(PEER.node_id.raw)

    in_cluster(scenario)


def test_silent_nodes_remembered_are_bounded_and_forgiven_in_time(in_cluster):
    async def scenario(cluster):
        bench = Bench()
        ids = [number.to_bytes(20, "big") for number in range(1500)]
        await asyncio.gather(*(bench.protocol.ask(THERE, Ping(), node_id) for node_id in ids))
        assert len(bench.protocol._shunned) <= 1024
        assert bench.protocol.shuns(ids[-1])
        await asyncio.sleep(61)
        assert not bench.protocol.shuns(ids[-1])

    in_cluster(scenario)


async def test_closing_ends_requests_under_way_and_later_ones(bench):
    future = bench.protocol.ask(THERE, Ping())
    bench.protocol.close()
    assert await future is None
    assert await bench.protocol.ask(THERE, Ping()) is None
