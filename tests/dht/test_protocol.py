import asyncio
from collections import Counter

import pytest

from p2player.dht.clock import TOLERANCE_MS, ClusterClock
from p2player.dht.protocol import SealedProtocol
from p2player.dht.records import RecordError
from p2player.dht.routing import Table
from p2player.dht.wire import Address, Codec, FindNodes, Message, Ping, Reply, Store, WrongTime
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.secretfile import DatedSecret

OLD, NEW = ClusterSecret(b"the secret until noon"), ClusterSecret(b"the secret from noon on")
CODEC = Codec(Keyring.of(OLD))
STRANGER = Codec(Keyring.of(ClusterSecret(b"of another cluster")))
NOON = 1_800_000_000
NOW = NOON * 1000
HERE = Address("10.0.0.1", 7400)
THERE = Address("10.0.0.2", 7400)
ELSEWHERE = Address("10.0.0.3", 7400)
PEER = Identity.from_seed(b"p" * 32)
OTHER = Identity.from_seed(b"o" * 32)


class Wire(asyncio.DatagramTransport):
    """Takes what the protocol sends."""

    def __init__(self):
        super().__init__()
        self.raw = []

    @property
    def sent(self):
        return [(CODEC.decode(data)[0], address) for data, address in self.raw]

    def sendto(self, data, addr=None):
        self.raw.append((data, addr))

    def close(self):
        pass


class Bench:
    """One protocol, whose every datagram the test hands over or takes."""

    def __init__(self, keyring=None):
        self.own = Identity.from_seed(bytes(32))
        self.counters = Counter()
        self.table = Table(self.own.node_id.raw)
        self.seen = []
        self.clock = ClusterClock(self.own_ms, steady=asyncio.get_running_loop().time)
        self.protocol = SealedProtocol(
            self.own.public_key,
            Codec(keyring or Keyring.of(OLD)),
            self.table,
            self.clock,
            answer=lambda _request, _asker, seen: Reply(seen),
            seen_at=lambda _node, host: self.seen.append(host),
            counters=self.counters,
        )
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    def own_ms(self):
        return NOW + int(asyncio.get_running_loop().time() * 1000)

    def receive(self, body, source, *, sender=PEER, message_id=bytes(8), codec=CODEC, late_ms=0):
        message = Message(message_id, sender.public_key, self.own_ms() - late_ms, body)
        self.protocol.datagram_received(codec.encode(message), source)

    def be_sure_of_the_time(self):
        """Hear enough clocks that agree."""
        for host in ("10.0.1.1", "10.0.1.2"):
            self.clock.heard(b"", host, self.own_ms(), 0.0)

    def last_id(self):
        return self.wire.sent[-1][0].message_id

    def answers(self):
        return [message.body for message, _ in self.wire.sent if not isinstance(message.body, Ping)]

    def pings(self):
        return [address for message, address in self.wire.sent if message.body == Ping()]


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.protocol.close()


async def test_request_is_answered_under_its_id_with_the_time_of_the_own_clock(bench):
    bench.receive(Ping(), THERE, message_id=b"12345678")
    message, address = bench.wire.sent[-1]
    assert (message.message_id, message.body, address) == (b"12345678", Reply(THERE), THERE)
    assert abs(message.time_ms - bench.own_ms()) < 1000


async def test_who_sent_a_request_becomes_a_contact_once_it_has_answered_at_its_address(bench):
    bench.receive(FindNodes(bytes(20)), THERE)
    assert len(bench.table) == 0
    assert bench.pings() == [THERE]
    bench.receive(Reply(HERE), THERE, message_id=bench.wire.sent[0][0].message_id)
    assert bench.table.get(PEER.node_id.raw).address == THERE


def test_who_sent_a_request_from_an_address_where_it_does_not_answer_is_no_contact_and_is_not_shunned(in_cluster):
    async def scenario(_cluster):
        bench = Bench()
        bench.receive(FindNodes(bytes(20)), THERE)
        await asyncio.sleep(5)
        assert len(bench.table) == 0
        assert not bench.protocol.shuns(PEER.node_id.raw, THERE)
        assert not bench.protocol._checked

    in_cluster(scenario)


def test_contact_is_moved_by_its_request_only_if_it_no_longer_answers_where_it_was(in_cluster):
    async def scenario(_cluster):
        bench = Bench()
        bench.table.heard(PEER.node_id.raw, THERE)
        bench.receive(FindNodes(bytes(20)), ELSEWHERE, message_id=b"1" * 8)
        assert bench.pings() == [THERE]
        bench.receive(Reply(HERE), THERE, message_id=bench.wire.sent[0][0].message_id)
        await asyncio.sleep(5)
        assert bench.table.get(PEER.node_id.raw).address == THERE
        assert ELSEWHERE not in bench.pings()

        bench.receive(FindNodes(bytes(20)), ELSEWHERE, message_id=b"2" * 8)
        await asyncio.sleep(bench.protocol.round_trip.limit * 1.1)
        assert ELSEWHERE in bench.pings()
        bench.receive(Reply(HERE), ELSEWHERE, message_id=bench.last_id())
        assert bench.table.get(PEER.node_id.raw).address == ELSEWHERE

    in_cluster(scenario)


async def test_strangers_are_asked_a_bounded_number_at_once(bench):
    for number in range(1000):
        sender = Identity.from_seed(number.to_bytes(32, "big"))
        bench.receive(FindNodes(bytes(20)), Address(f"10.1.{number // 250}.{number % 250 + 1}", 1), sender=sender)
    assert 0 < len(bench.pings()) <= 128


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
    assert not bench.clock._votes


async def test_reply_counts_once(bench):
    bench.protocol.ask(THERE, Ping())
    for _ in range(2):
        bench.receive(Reply(HERE), THERE, message_id=bench.last_id())
    assert bench.counters["dropped_unasked_reply"] == 1


async def test_answer_by_another_node_than_the_one_asked_is_no_answer_and_makes_no_contact(bench):
    bench.table.heard(PEER.node_id.raw, THERE)
    future = bench.protocol.ask(THERE, Ping(), PEER.node_id.raw)
    bench.receive(Reply(HERE), THERE, sender=OTHER, message_id=bench.last_id())
    assert await future is None
    assert bench.table.get(PEER.node_id.raw).silent == 1
    assert bench.table.get(OTHER.node_id.raw) is None


async def test_who_answers_in_the_name_of_a_contact_does_not_take_its_place(bench):
    bench.table.heard(PEER.node_id.raw, THERE)
    future = bench.protocol.ask(ELSEWHERE, Ping())
    bench.receive(Reply(HERE), ELSEWHERE, message_id=bench.last_id())
    assert (await future).contact.address == ELSEWHERE
    assert bench.table.get(PEER.node_id.raw).address == THERE


def test_silence_at_an_address_that_another_node_told_says_nothing_of_a_contact_elsewhere(in_cluster):
    async def scenario(_cluster):
        bench = Bench()
        bench.table.heard(PEER.node_id.raw, THERE)
        assert await bench.protocol.ask(ELSEWHERE, Ping(), PEER.node_id.raw) is None
        assert not bench.table.get(PEER.node_id.raw).silent
        assert bench.protocol.shuns(PEER.node_id.raw, ELSEWHERE)
        assert not bench.protocol.shuns(PEER.node_id.raw, THERE)

    in_cluster(scenario)


async def test_own_datagram_that_comes_back_is_dropped(bench):
    bench.receive(Ping(), HERE, sender=bench.own)
    assert bench.counters["dropped_own"] == 1
    assert bench.wire.raw == []
    assert len(bench.table) == 0


async def test_what_cannot_be_opened_is_counted_by_reason(bench):
    bench.protocol.datagram_received(b"", THERE)
    bench.protocol.datagram_received(bytes(100), THERE)
    bench.protocol.datagram_received(bytes(2000), THERE)
    bench.receive(Ping(), THERE, codec=STRANGER)
    assert bench.counters["dropped_not_ours"] == 2
    assert bench.counters["dropped_too_long"] == 1
    assert bench.counters["dropped_not_sealed_with_our_key"] == 1
    assert bench.wire.raw == []


async def test_bad_record_is_counted_and_not_answered(bench):
    def refuse(*_):
        raise RecordError("bad")

    bench.protocol._answer = refuse
    bench.receive(Store(b"bad"), THERE)
    assert bench.counters["dropped_bad_record"] == 1
    assert bench.wire.raw == []


async def test_request_is_answered_once_wherever_it_comes_from_again(bench):
    bench.receive(FindNodes(bytes(20)), THERE, message_id=b"1" * 8)
    sent = len(bench.wire.raw)
    for source in (THERE, ELSEWHERE, ELSEWHERE):
        bench.receive(FindNodes(bytes(20)), source, message_id=b"1" * 8)
    assert bench.counters["dropped_replayed"] == 3
    assert len(bench.wire.raw) == sent
    bench.receive(FindNodes(bytes(20)), THERE, message_id=b"1" * 8, sender=OTHER)
    assert bench.counters["dropped_replayed"] == 3


def test_request_is_never_answered_twice_however_late_it_is_sent_again(in_cluster):
    async def scenario(_cluster):
        bench = Bench()
        bench.be_sure_of_the_time()
        recorded = CODEC.encode(Message(b"1" * 8, PEER.public_key, NOW + TOLERANCE_MS, Store(b"record")))
        for _ in range(100):
            bench.protocol.datagram_received(recorded, ELSEWHERE)
            await asyncio.sleep(TOLERANCE_MS / 20_000)
        assert [body for body in bench.answers() if isinstance(body, Reply)] == [Reply(ELSEWHERE)]

    in_cluster(scenario)


@pytest.mark.parametrize("late_ms", [TOLERANCE_MS + 5000, -TOLERANCE_MS - 5000, 10**9])
async def test_request_of_another_time_is_answered_with_the_time_alone(bench, late_ms):
    bench.be_sure_of_the_time()
    bench.receive(FindNodes(bytes(20)), THERE, late_ms=late_ms)
    ((message, address),) = bench.wire.sent
    assert (message.body, address) == (WrongTime(THERE), THERE)
    assert abs(message.time_ms - bench.own_ms()) < 1000
    assert bench.counters["dropped_wrong_time"] == 1
    assert bench.pings() == []


async def test_request_a_little_late_is_answered(bench):
    bench.be_sure_of_the_time()
    bench.receive(FindNodes(bytes(20)), THERE, late_ms=TOLERANCE_MS - 5000)
    assert Reply(THERE) in bench.answers()


async def test_node_that_is_not_sure_of_the_time_refuses_nobody_for_it(bench):
    bench.receive(FindNodes(bytes(20)), THERE, late_ms=3_600_000)
    assert Reply(THERE) in bench.answers()


async def test_many_requests_of_another_time_are_not_all_answered(bench):
    bench.be_sure_of_the_time()
    for number in range(1000):
        bench.receive(Ping(), THERE, message_id=number.to_bytes(8, "big"), late_ms=10**9)
    assert 0 < len(bench.wire.raw) < 100
    assert len(bench.protocol._seen_requests) == 0


async def test_node_refused_for_its_time_takes_over_that_of_the_cluster_and_asks_again(bench):
    future = bench.protocol.ask(THERE, FindNodes(bytes(20)), PEER.node_id.raw)
    bench.receive(WrongTime(HERE), THERE, message_id=bench.last_id(), late_ms=3_600_000)
    assert abs(bench.clock.offset_ms + 3_600_000) < 1000
    message, _ = bench.wire.sent[-1]
    assert message.body == FindNodes(bytes(20))
    assert abs(message.time_ms + 3_600_000 - bench.own_ms()) < 1000
    bench.receive(Reply(HERE), THERE, message_id=bench.last_id(), late_ms=3_600_000)
    assert (await future).reply == Reply(HERE)
    assert not bench.protocol._outstanding


async def test_node_refused_again_does_not_ask_a_third_time(bench):
    future = bench.protocol.ask(THERE, FindNodes(bytes(20)), PEER.node_id.raw)
    for late_ms in (3_600_000, 7_200_000):
        bench.receive(WrongTime(HERE), THERE, message_id=bench.last_id(), late_ms=late_ms)
    assert await future is None
    assert len(bench.wire.raw) == 2
    assert not bench.protocol.shuns(PEER.node_id.raw, THERE)


async def test_refusal_by_a_single_liar_moves_no_clock_that_others_agree_with(bench):
    bench.be_sure_of_the_time()
    future = bench.protocol.ask(THERE, FindNodes(bytes(20)), PEER.node_id.raw)
    bench.receive(WrongTime(HERE), THERE, message_id=bench.last_id(), late_ms=3_600_000)
    assert await future is None
    assert bench.clock.offset_ms == 0
    assert len(bench.wire.raw) == 1


async def test_flood_is_dropped_and_other_senders_are_not(bench):
    now = asyncio.get_running_loop().time()
    while bench.protocol._requests.take(PEER.node_id.raw, THERE.host, now + 1.0):
        pass
    bench.receive(FindNodes(bytes(20)), THERE)
    assert bench.counters["dropped_flood"] == 1
    assert bench.wire.raw == []
    bench.receive(FindNodes(bytes(20)), ELSEWHERE, sender=OTHER)
    assert Reply(ELSEWHERE) in bench.answers()


def dated(*begins):
    return tuple(DatedSecret(secret, begin) for secret, begin in zip((OLD, NEW), begins, strict=True))


def keyring_at(now):
    return Keyring(dated(0, NOON), clock=lambda: now[0])


async def test_request_under_a_coming_key_is_answered_under_it_and_own_ones_go_out_under_the_current_one():
    bench = Bench(keyring_at([NOON - 60]))
    bench.receive(Ping(), THERE, codec=Codec(Keyring.of(NEW)))
    data, _ = bench.wire.raw[-1]
    message, _ = Codec(Keyring.of(NEW)).decode(data)
    assert message.body == Reply(THERE)
    bench.protocol.ask(ELSEWHERE, FindNodes(bytes(20)))
    assert bench.wire.raw[-1][0] != data
    assert CODEC.decode(bench.wire.raw[-1][0])[0].body == FindNodes(bytes(20))
    bench.protocol.close()


async def test_key_changes_while_the_node_runs_and_the_one_before_opens_for_a_day():
    now = [NOON - 60.0]
    keyring = keyring_at(now)
    bench = Bench(keyring)
    now[0] = NOON + 1.0
    await keyring.look()
    bench.protocol.ask(ELSEWHERE, FindNodes(bytes(20)))
    assert Codec(Keyring.of(NEW)).decode(bench.wire.raw[-1][0])[0].body == FindNodes(bytes(20))
    bench.receive(FindNodes(bytes(20)), THERE)
    assert Reply(THERE) == CODEC.decode(bench.wire.raw[-1][0])[0].body
    now[0] = NOON + 86_400 + 1.0
    await keyring.look()
    bench.receive(FindNodes(bytes(20)), THERE, message_id=b"2" * 8)
    assert bench.counters["dropped_not_sealed_with_our_key"] == 1
    bench.protocol.close()


def test_late_request_is_repeated_once_and_either_answer_counts(in_cluster):
    async def scenario(_cluster):
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
    async def scenario(_cluster):
        bench = Bench()
        assert await bench.protocol.ask(THERE, Ping(), PEER.node_id.raw) is None
        assert asyncio.get_running_loop().time() == pytest.approx(bench.protocol.round_trip.limit)
        assert bench.counters["requests_unanswered"] == 1
        assert bench.protocol.shuns(PEER.node_id.raw, THERE)
        bench.receive(Ping(), THERE)
        assert not bench.protocol.shuns(PEER.node_id.raw, THERE)

    in_cluster(scenario)


def test_silent_nodes_remembered_are_bounded_and_forgiven_in_time(in_cluster):
    async def scenario(_cluster):
        bench = Bench()
        ids = [number.to_bytes(20, "big") for number in range(1500)]
        await asyncio.gather(*(bench.protocol.ask(THERE, Ping(), node_id) for node_id in ids))
        assert len(bench.protocol._shunned) <= 1024
        assert bench.protocol.shuns(ids[-1], THERE)
        await asyncio.sleep(61)
        assert not bench.protocol.shuns(ids[-1], THERE)

    in_cluster(scenario)


async def test_closing_ends_requests_under_way_and_later_ones(bench):
    future = bench.protocol.ask(THERE, Ping())
    bench.protocol.close()
    assert await future is None
    assert await bench.protocol.ask(THERE, Ping()) is None
