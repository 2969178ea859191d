import asyncio
from random import Random

import pytest

from netsim.scenarios.network import Host, Network
from netsim.simulate.loop import VirtualTimeLoop
from netsim.simulate.net import DatagramNetwork, behind_nat, lost, of_zones, partition, spread
from p2player.dht.wire import Address

A, B, C = (Address(f"10.0.0.{number}", 7400) for number in (1, 2, 3))


class _Inbox(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.got.append((data, addr, asyncio.get_running_loop().time()))

    @property
    def data(self):
        return [data for data, *_ in self.got]


def _among_three(talk, **options):
    async def main():
        network = DatagramNetwork(Random(1), lambda _a, _b: 0.5, **options)
        inboxes = [_Inbox() for _ in range(3)]
        for inbox, address in zip(inboxes, (A, B, C), strict=True):
            await network.open(inbox, *address)
        result = talk(network, *inboxes)
        if asyncio.iscoroutine(result):
            result = await result
        await asyncio.sleep(10)
        return inboxes

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def test_a_datagram_arrives_after_its_latency_from_who_sent_it():
    _, b, c = _among_three(lambda _net, a, _b, _c: a.transport.sendto(b"hello", B))

    assert b.got == [(b"hello", A, pytest.approx(0.5))]
    assert not c.got


def test_what_is_handed_in_is_handed_on_itself():
    message = bytearray(b"not copied")

    _, b, _ = _among_three(lambda _net, a, _b, _c: a.transport.sendto(message, B))

    assert b.data[0] is message


def test_two_cannot_have_one_address():
    async def talk(network, *_):
        with pytest.raises(OSError, match="in use"):
            await network.open(_Inbox(), *A)

    _among_three(talk)


@pytest.mark.parametrize("closes", [True, False])
def test_who_is_unplugged_neither_hears_nor_is_heard(closes):
    def talk(network, a, b, _c):
        a.transport.sendto(b"too late", B)
        if closes:
            b.transport.close()
        else:
            network.unplug(B)
        b.transport.sendto(b"nobody hears this", A)

    a, b, _ = _among_three(talk)

    assert not a.got
    assert not b.got


def test_who_was_unplugged_does_not_unplug_who_came_after_it():
    after = _Inbox()

    async def talk(network, a, b, _c):
        network.unplug(B)
        await network.open(after, *B)
        b.transport.close()
        a.transport.sendto(b"hello", B)

    _among_three(talk)

    assert after.data == [b"hello"]


def test_datagrams_are_lost_as_often_as_was_asked_for():
    def talk(_net, a, _b, _c):
        for _ in range(2000):
            a.transport.sendto(b"", B)

    _, b, _ = _among_three(talk, loss=0.25)

    assert len(b.got) == pytest.approx(1500, abs=100)


def test_a_rule_holds_as_long_as_its_with():
    def talk(network, a, _b, _c):
        with network.rule(lost(1.0, Random(1))):
            a.transport.sendto(b"lost", B)
        a.transport.sendto(b"arrives", B)

    _, b, _ = _among_three(talk)

    assert b.data == [b"arrives"]


def test_a_rule_is_lifted_when_its_with_ends_in_an_error():
    def talk(network, a, _b, _c):
        with pytest.raises(ZeroDivisionError), network.rule(lambda _: None):
            raise ZeroDivisionError
        a.transport.sendto(b"arrives", B)

    _, b, _ = _among_three(talk)

    assert b.data == [b"arrives"]


def test_delays_of_rules_add_up():
    def talk(network, a, _b, _c):
        with network.rule(lambda _: 1.0), network.rule(lambda _: 2.0):
            a.transport.sendto(b"late", B)

    _, b, _ = _among_three(talk)

    assert b.got[0][2] == pytest.approx(3.5)


def test_the_parts_of_a_divided_network_do_not_reach_each_other_but_themselves():
    def talk(network, a, b, c):
        with network.rule(partition([A.host, B.host])):
            a.transport.sendto(b"within", B)
            a.transport.sendto(b"across", C)
            c.transport.sendto(b"across", B)

    _, b, c = _among_three(talk)

    assert b.data == [b"within"]
    assert not c.got


def test_behind_a_nat_one_hears_only_those_it_has_sent_to():
    def talk(network, a, b, c):
        with network.rule(behind_nat([A.host])):
            b.transport.sendto(b"before", A)
            a.transport.sendto(b"hello", B)
            b.transport.sendto(b"after", A)
            c.transport.sendto(b"another", A)

    a, b, _ = _among_three(talk)

    assert a.data == [b"after"]
    assert b.data == [b"hello"]


def test_a_nat_forgets():
    async def talk(network, a, b, _c):
        with network.rule(behind_nat([A.host], remembers=30.0)):
            a.transport.sendto(b"hello", B)
            await asyncio.sleep(29)
            b.transport.sendto(b"in time", A)
            await asyncio.sleep(2)
            b.transport.sendto(b"too late", A)

    a, _, _ = _among_three(talk)

    assert a.data == [b"in time"]


def test_latencies_are_spread_evenly_and_the_same_both_ways():
    latency = spread(0.01, 0.03, seed=1)
    hosts = [f"10.0.0.{number}" for number in range(60)]

    all_of_them = [latency(one, other) for one in hosts for other in hosts if one < other]

    assert 0.01 <= min(all_of_them) < 0.011
    assert 0.029 < max(all_of_them) <= 0.03
    assert sum(all_of_them) / len(all_of_them) == pytest.approx(0.02, rel=0.05)
    assert latency(A.host, B.host) == latency(B.host, A.host)


def test_between_zones_it_takes_longer():
    network = Network((Host(10.0, 0), Host(10.0, 0), Host(10.0, 1)), latency=0.001, between_zones_latency=0.02)
    latency = of_zones(network, lambda host: int(host[-1]) - 1)

    assert latency(A.host, B.host) == pytest.approx(0.001)
    assert latency(A.host, C.host) == latency(C.host, B.host) == pytest.approx(0.021)
