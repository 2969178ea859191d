"""A network and a clock of the tests' own: real nodes, no sockets, no waiting."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from p2player.dht.node import DhtNode
from p2player.dht.records import NameRecord, NodeAddress, Provider
from p2player.dht.wire import Address
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from tests.virtual_time import VirtualTimeLoop

EPOCH_MS = 1_800_000_000_000
KEYRING = Keyring.of(ClusterSecret(b"sixteen bytes or more"))


class FakeNetwork:
    """Datagrams between addresses, delivered after a random delay; rules may drop them while a `with` lasts."""

    def __init__(self, seed: int = 1, delay: tuple[float, float] = (0.0005, 0.0015)) -> None:
        self.rng = Random(seed)
        self.delay = delay
        self.sent = Counter[str]()
        self._protocols: dict[tuple[str, int], asyncio.DatagramProtocol] = {}
        self._rules: list[Callable[[bytes, Address, Address], bool]] = []

    async def open(self, protocol: asyncio.DatagramProtocol, host: str, port: int) -> Address:
        address = Address(host, port or 7400)
        self._protocols[address] = protocol
        protocol.connection_made(_FakeTransport(self, address))
        return address

    def send(self, data: bytes, source: Address, target: Address) -> None:
        self.sent[source.host] += 1
        if not any(drops(data, source, target) for drops in self._rules):
            asyncio.get_running_loop().call_later(self.rng.uniform(*self.delay), self._deliver, data, source, target)

    def unplug(self, address: Address) -> None:
        self._protocols.pop(address, None)

    @contextmanager
    def dropping(self, rule: Callable[[bytes, Address, Address], bool]) -> Iterator[None]:
        self._rules.append(rule)
        yield
        self._rules.remove(rule)

    def _deliver(self, data: bytes, source: Address, target: Address) -> None:
        protocol = self._protocols.get(target)
        if protocol is not None:
            protocol.datagram_received(data, source)


class _FakeTransport(asyncio.DatagramTransport):
    def __init__(self, network: FakeNetwork, address: Address) -> None:
        super().__init__()
        self._network = network
        self._address = address

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self._network.send(data, self._address, Address(*addr))

    def close(self) -> None:
        self._network.unplug(self._address)


class Cluster:
    """Nodes on a fake network in virtual time. The wall clock moves with the loop's."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.network = FakeNetwork(seed)
        self.nodes: list[DhtNode] = []
        self._count = 0

    def now_ms(self) -> int:
        return EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)

    async def add(self, *, join: bool = True, ahead_ms: int = 0, **options: Any) -> DhtNode:
        """Return a new node that has joined through one of those there are. Its clock may be ahead of the others'."""
        self._count += 1
        host = f"10.{self._count >> 16}.{self._count >> 8 & 255}.{self._count & 255}"
        node = DhtNode(
            options.pop("identity", None) or Identity.from_seed(self.rng.randbytes(32)),
            options.pop("keyring", KEYRING),
            now_ms=lambda: self.now_ms() + ahead_ms,
            open_datagrams=self.network.open,
            rng=Random(self.rng.random()),
            **options,
        )
        node.host = host
        await node.start(host, 7400, swarm_port=7401)
        if join and self.nodes:
            await node.join([(self.rng.choice(self.nodes).host, 7400)])
        self.nodes.append(node)
        return node

    async def add_many(self, count: int) -> list[DhtNode]:
        return [await self.add() for _ in range(count)]

    def kill(self, node: DhtNode) -> None:
        """Let node fall silent without a word."""
        self.network.unplug(Address(node.host, 7400))
        self.nodes.remove(node)

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()


@pytest.fixture
def in_cluster() -> Callable[..., Any]:
    """Runs scenario(cluster) in virtual time and returns its result."""

    def run(scenario: Callable[[Cluster], Awaitable[Any]], seed: int = 1) -> Any:
        async def main() -> Any:
            cluster = Cluster(seed)
            try:
                return await scenario(cluster)
            finally:
                await cluster.close()

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(main())

    return run


MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def identity() -> Identity:
    return Identity.from_seed(bytes(32))


def _identity_of(node: DhtNode | int) -> Identity:
    return Identity.from_seed(node.to_bytes(32, "big")) if isinstance(node, int) else node._identity


@pytest.fixture
def provider() -> Callable[..., Provider]:
    """Makes provider records; what a test does not name has a plain default."""

    def make(node: DhtNode | int = 0, **changed: Any) -> Provider:
        facts: dict[str, Any] = {
            "digest": Digest.of(b"layer"),
            "size": 1000,
            "root": bytes(32),
            "address": NodeAddress("10.0.0.1", 7400, 7401),
            "complete": True,
            "issued": EPOCH_MS,
        }
        facts |= changed
        facts.setdefault("expires", facts["issued"] + 3_600_000)
        return Provider.make(_identity_of(node), **facts)

    return make


@pytest.fixture
def named() -> Callable[..., NameRecord]:
    """Makes name records; what a test does not name has a plain default."""

    def make(node: DhtNode | int = 0, **changed: Any) -> NameRecord:
        facts: dict[str, Any] = {
            "scope": "docker.io/library/nginx",
            "name": "latest",
            "digest": Digest.of(b"manifest"),
            "media_type": MANIFEST,
            "size": 500,
            "issued": EPOCH_MS,
        }
        return NameRecord.make(_identity_of(node), **facts | changed)

    return make


@pytest.fixture
def epoch() -> int:
    """The wall clock at the start of every test, in milliseconds."""
    return EPOCH_MS
