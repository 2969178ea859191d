"""A network in memory: datagrams take their time, get lost, and are subject to rules that hold while a `with` lasts."""

import asyncio
import heapq
import math
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final, NamedTuple

from netsim.scenarios.network import Network
from p2player.dht.wire import Address

_TICKS: Final = 10_000.0  # a second; what arrives within one is delivered in one turn of the loop
_NAT_REMEMBERS: Final = 30.0  # seconds; RFC 4787 asks for two minutes, many home routers forget earlier

Latency = Callable[[str, str], float]
"""Takes the hosts a datagram comes from and goes to; returns seconds one way."""


class Datagram(NamedTuple):
    """One that is about to leave, at that time in seconds."""

    data: Any
    source: Address
    target: Address
    at: float


Rule = Callable[[Datagram], float | None]
"""Returns how many seconds later than usual a datagram arrives, 0.0 mostly, or None: it never does."""


class DatagramNetwork:
    """Datagrams between addresses of this process. The same seed and the same calls give the same deliveries."""

    def __init__(self, rng: Random, latency: Latency, *, loss: float = 0.0, size: Callable[[Any], int] = len) -> None:
        self._rng = rng
        self._size = size
        self._latency = latency
        self._loss = loss
        self._plugged: dict[Address, _Transport] = {}
        self._rules: list[Rule] = []
        self._under_way: list[tuple[float, int, Any, Address, Address]] = []
        self._wakes_at = math.inf
        self._loop = asyncio.get_running_loop()
        self.sent = 0
        """Datagrams that have left a node, whatever became of them."""
        self.bytes = 0

    async def open(self, protocol: asyncio.DatagramProtocol, host: str, port: int) -> Address:
        """Connect protocol to (host, port); see p2player.dht.udp.OpenDatagrams."""
        address = Address(host, port)
        if address in self._plugged:
            raise OSError(f"{host}:{port} is in use")
        self._plugged[address] = transport = _Transport(self, address, protocol)
        protocol.connection_made(transport)
        return address

    def unplug(self, address: Address) -> None:
        """Let nothing arrive at or leave address any more."""
        self._plugged.pop(address, None)

    def has(self, transport: "_Transport") -> bool:
        """Tell whether transport is the one in use at its address."""
        return self._plugged.get(transport.address) is transport

    @contextmanager
    def rule(self, rule: Rule) -> Iterator[None]:
        """Let rule decide about each datagram as long as the `with` lasts; the delays of several add up."""
        self._rules.append(rule)
        try:
            yield
        finally:
            self._rules.remove(rule)

    def send(self, data: Any, sender: "_Transport", target: Address) -> None:
        """Let data arrive at target later, or not at all."""
        source = sender.address
        if not self.has(sender):
            return
        self.sent += 1
        self.bytes += self._size(data)
        now = self._loop.time()
        delay = self._latency(source.host, target.host)
        for rule in self._rules:
            more = rule(Datagram(data, source, target, now))
            if more is None:
                return
            delay += more
        if self._loss and self._rng.random() < self._loss:
            return
        at = math.ceil((now + delay) * _TICKS) / _TICKS
        heapq.heappush(self._under_way, (at, self.sent, data, source, target))
        self._wake_at(at)

    def _wake_at(self, at: float) -> None:
        if at < self._wakes_at:
            self._wakes_at = at
            self._loop.call_at(at, self._deliver)

    def _deliver(self) -> None:
        now = self._loop.time()
        under_way = self._under_way
        while under_way and under_way[0][0] <= now:
            _, _, data, source, target = heapq.heappop(under_way)
            if (transport := self._plugged.get(target)) is not None:
                transport.protocol.datagram_received(data, source)
        self._wakes_at = math.inf
        if under_way:
            self._wake_at(under_way[0][0])


class _Transport(asyncio.DatagramTransport):
    def __init__(self, network: DatagramNetwork, address: Address, protocol: asyncio.DatagramProtocol) -> None:
        super().__init__()
        self._network = network
        self.address = address
        self.protocol = protocol

    def sendto(self, data: Any, addr: Any = None) -> None:
        self._network.send(data, self, addr)

    def close(self) -> None:
        if self._network.has(self):
            self._network.unplug(self.address)


def spread(low: float, high: float, seed: int) -> Latency:
    """Return latencies evenly spread from low to high: of two hosts always the same, both ways."""

    def latency(source: str, target: str) -> float:
        pair = f"{seed} {source} {target}" if source < target else f"{seed} {target} {source}"
        return low + (high - low) * zlib.crc32(pair.encode()) / 0xFFFFFFFF

    return latency


def of_zones(network: Network, index_of: Callable[[str], int]) -> Latency:
    """Return the latencies of a scenario's network; index_of tells which of its hosts has an address."""
    zones = [host.zone for host in network.hosts]
    between = network.latency + network.between_zones_latency

    def latency(source: str, target: str) -> float:
        return network.latency if zones[index_of(source)] == zones[index_of(target)] else between

    return latency


def partition(hosts: Collection[str]) -> Rule:
    """Return the rule that these hosts and all others do not reach each other."""
    inside = frozenset(hosts)
    return lambda datagram: None if (datagram.source.host in inside) != (datagram.target.host in inside) else 0.0


def lost(share: float, rng: Random) -> Rule:
    """Return the rule that this share of datagrams is lost."""
    return lambda _: None if rng.random() < share else 0.0


def behind_nat(hosts: Collection[str], *, remembers: float = _NAT_REMEMBERS) -> Rule:
    """Return the rule that these hosts are reached only from addresses to which they have sent within `remembers` seconds.

    That is address and port-dependent filtering, the strictest kind (RFC 4787, section 5).
    """
    inside = frozenset(hosts)
    sent_at: dict[tuple[Address, Address], float] = {}

    def rule(datagram: Datagram) -> float | None:
        if datagram.source.host in inside:
            sent_at[datagram.source, datagram.target] = datagram.at
        if datagram.target.host in inside:
            known = sent_at.get((datagram.target, datagram.source))
            return None if known is None or datagram.at - known > remembers else 0.0
        return 0.0

    return rule
