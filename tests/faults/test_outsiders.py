"""Whole nodes in one process, some of which have no business in the cluster."""

import asyncio
import datetime as dt
import random

import pytest

from p2player.config import Config, HostPort
from p2player.errors import P2PlayerError, PeerUnreachable
from p2player.node import Node
from p2player.oci.digest import Digest
from p2player.peer.ca import Authority
from p2player.peer.tlsfiles import TlsFiles
from p2player.pull.events import PullResult

NOW = dt.datetime.now(dt.UTC)
SECRET = "of-the-cluster-and-long-enough"
SMALL, LARGE = 10_000, 3_000_000
PATIENCE = 30  # seconds until something that has to come is given up
NOTHING_COMES = 4  # seconds; on loopback what comes takes a hundredth of it


class Certificate:
    """The files of a node's certificate."""

    def __init__(self, root, authority):
        root.mkdir()
        self.files = TlsFiles(root / "ca.pem", root / "node.pem", root / "node.key")
        self.issue(authority)

    def issue(self, authority):
        credential = authority.issue_until("node", NOW, NOW + dt.timedelta(days=30))
        self.files.ca.write_bytes(credential.root)
        self.files.certificate.write_bytes(credential.certificate)
        self.files.key.write_bytes(credential.key)


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a node called name, by a certificate or by its secret alone, to join another."""
    running = []

    async def run(name, *others, certificate=None, secret=SECRET):
        secret_file = tmp_path / f"{name}.secret"
        secret_file.touch(0o600)
        secret_file.write_text(secret)
        files = certificate and certificate.files
        address = HostPort(f"127.0.0.{len(running) + 1}", 0)
        node = await Node.start(
            Config(
                tmp_path / name,
                HostPort("127.0.0.1", 0),
                address,
                tuple(HostPort.parse(other.cluster_address) for other in others),
                secret_file,
                *((files.ca, files.certificate, files.key) if files else ()),
                configured_only=True,
            )
        )
        running.append(node)
        return node

    yield run
    for node in running:
        await node.close()


@pytest.fixture
def authority():
    return Authority.new(NOW)


async def add(node, size):
    data = random.Random(f"{size} {node.identity.node_id}").randbytes(size)
    stored = await asyncio.to_thread(node.store.put, Digest.of(data), data)
    await node.holdings.add([stored])
    return stored.digest


async def pull(node, digest):
    """Return whether a blob comes, within PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        async for event in node.images.pull(digest, None):
            if isinstance(event, PullResult):
                return
    raise AssertionError("a pull ended without a result")


async def comes(node, digest):
    try:
        async with asyncio.timeout(NOTHING_COMES):
            await pull(node, digest)
    except (P2PlayerError, TimeoutError):
        return False
    return True


async def met(*nodes):
    async with asyncio.timeout(PATIENCE):
        while not all(node.dht.contacts() for node in nodes):  # noqa: ASYNC110  (what is waited for is another node's doing)
            await asyncio.sleep(0.05)


def address_of(node):
    address = HostPort.parse(node.cluster_address)
    return address.host, address.port


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_members_of_a_ca_exchange_blobs(start, authority, tmp_path, size):
    first = await start("first", certificate=Certificate(tmp_path / "1", authority))
    second = await start("second", first, certificate=Certificate(tmp_path / "2", authority))
    await met(first, second)
    await pull(second, await add(first, size))
    assert second.counters.bytes["peer"] >= size  # a block may come twice


@pytest.mark.parametrize("kind", ["the secret alone", "a certificate of another CA"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_who_has_the_secret_but_no_certificate_gets_no_content(start, authority, tmp_path, size, kind):
    first = await start("first", certificate=Certificate(tmp_path / "1", authority))
    other = None if kind == "the secret alone" else Certificate(tmp_path / "2", Authority.new(NOW))
    outsider = await start("outsider", first, certificate=other)
    await met(first, outsider)
    digest = await add(first, size)
    assert not await comes(outsider, digest)
    assert outsider.counters.bytes["peer"] == 0
    assert outsider.store.get(digest) is None
    with pytest.raises(PeerUnreachable) as caught:
        await outsider.peers.skew(*address_of(first), timeout=PATIENCE)
    assert "certificates of the same CA" in caught.value.hint
    assert not first.store.banned()
    assert not outsider.store.banned()


async def test_a_certificate_is_renewed_while_nodes_run(start, authority, tmp_path):
    certificates = [Certificate(tmp_path / str(number), authority) for number in range(2)]
    first = await start("first", certificate=certificates[0])
    second = await start("second", first, certificate=certificates[1])
    await met(first, second)
    await pull(second, await add(first, LARGE))
    before = first.tls.memberships
    for node, certificate in ((first, certificates[0]), (second, certificates[1])):
        certificate.issue(authority)
        await node.tls.look()
    assert first.tls.memberships != before
    await pull(second, await add(first, LARGE + 1))
    await pull(second, await add(first, SMALL))


@pytest.mark.faults
async def test_a_whole_ca_is_changed_while_nodes_run_and_the_old_one_is_out(start, authority, tmp_path):
    certificates = [Certificate(tmp_path / str(number), authority) for number in range(3)]
    first = await start("first", certificate=certificates[0])
    second, late = [await start(name, first, certificate=certificates[n]) for n, name in ((1, "second"), (2, "late"))]
    await met(first, second, late)
    held = await add(first, LARGE)
    new = Authority.new(NOW)
    for node, certificate in ((first, certificates[0]), (second, certificates[1])):
        certificate.issue(new)
        await node.tls.look()
    await pull(second, held)
    assert not await comes(late, held)
    small = await add(first, SMALL)
    await pull(second, small)
    assert not await comes(late, small)
    certificates[2].issue(new)
    await late.tls.look()
    await pull(late, held)


async def test_a_broken_certificate_keeps_the_one_before(start, authority, tmp_path):
    certificate = Certificate(tmp_path / "1", authority)
    first = await start("first", certificate=certificate)
    second = await start("second", first, certificate=Certificate(tmp_path / "2", authority))
    await met(first, second)
    certificate.files.key.write_bytes(b"half")
    await first.tls.look()
    await pull(second, await add(first, SMALL))
    await pull(second, await add(first, LARGE))


async def test_nodes_of_another_secret_get_nothing_even_if_they_know_where_to_ask(start):
    insider = await start("insider")
    digest = await add(insider, SMALL)
    outsider = await start("outsider", insider, secret="another-secret-of-some-length")
    with pytest.raises(PeerUnreachable):
        await outsider.peers.get_small(*address_of(insider), digest, timeout=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while not insider.counters.dropped.get("peer.unauthorized"):  # noqa: ASYNC110  (it is told so before it is counted)
            await asyncio.sleep(0.01)
