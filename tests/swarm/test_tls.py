"""Swarms of a cluster with a secret: who gets in, and what others on the network see."""

import asyncio
import datetime as dt
import os
import ssl
from contextlib import suppress
from dataclasses import replace

import libtorrent as lt
import pytest

from p2player.errors import InvalidMetainfo
from p2player.peer.ca import Authority
from p2player.peer.tls import Membership
from p2player.swarm.port import SwarmPeer
from p2player.swarm.realm import OPEN, Realms
from tests.swarm.conftest import tls_of
from tests.wiretap import wiretap
from tests.wrongbytes import require_same

NOTHING_COMES = 0.5  # seconds; loopback takes a fraction of it
PATIENCE = 30
NOW, DAY = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
SECRET = b"the secret of the cluster"


@pytest.fixture
def tls():
    return tls_of(SECRET)


@pytest.fixture
def blob(make_blob, tls):
    return make_blob(realm=Realms(tls)()[0])


async def comes(transfer):
    try:
        await asyncio.wait_for(transfer.piece(0), NOTHING_COMES)
    except TimeoutError:
        return False
    return True


async def test_members_exchange_a_blob(libtorrent_node, tls, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls_of(SECRET))
    blob.seed(seed)
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == blob.tree
    require_same((tmp_path / "out").read_bytes(), blob.data)
    assert sum(transfer.progress().by_peer.values()) >= len(blob.data)


async def test_the_first_piece_waits_for_no_tick(libtorrent_node, tls, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls)
    took = []
    for number in range(7):
        blob = make_blob(seed=number, realm=Realms(tls)()[0])
        blob.seed(seed)
        before = asyncio.get_running_loop().time()
        await fetcher.fetch(blob.metainfo, tmp_path / str(number), [peer]).complete()
        took.append(asyncio.get_running_loop().time() - before)
    assert sorted(took)[3] < 0.45, took


async def test_who_listens_sees_neither_the_digest_nor_the_content(libtorrent_node, tls, blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls)
    blob.seed(seed)
    async with wiretap(peer.address) as (address, seen):
        transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [SwarmPeer(address)])
        assert await transfer.complete() == blob.tree
    assert len(seen) > len(blob.data)
    for told in (blob.metainfo.digest.hex.encode(), bytes.fromhex(blob.metainfo.digest.hex), b"BitTorrent"):
        assert told not in seen
    for at in range(0, len(blob.data), 16384):
        assert blob.data[at : at + 16] not in seen


async def test_without_tls_all_of_it_is_seen(libtorrent_node, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node()
    blob = make_blob()
    blob.seed(seed)
    async with wiretap(peer.address) as (address, seen):
        await fetcher.fetch(blob.metainfo, tmp_path / "out", [SwarmPeer(address)]).complete()
    assert blob.data[:16384] in seen


class Outsider:
    """A session that knows the torrent, as somebody may who was a member once, and has some certificate or none."""

    def __init__(self, credential, *, plain=False):
        self._credential = credential
        self._plain = plain
        self.session = lt.session(
            {
                "listen_interfaces": "127.0.0.1:0" + ("" if plain else "s"),
                "enable_dht": False,
                "enable_lsd": False,
                "enable_outgoing_utp": False,
                "allow_multiple_connections_per_ip": True,
                "alert_mask": lt.alert.category_t.all_categories,
            }
        )

    def join(self, blob, path, address):
        params = lt.add_torrent_params()
        params.info_hashes = lt.info_hash_t(lt.sha256_hash(blob.metainfo.infohash))
        params.save_path = str(path)
        params.flags = lt.torrent_flags.paused
        if not self._plain:
            params.root_certificate = (
                self._credential or tls_of(b"somebody else's").memberships[0].credential
            ).root.decode()
        handle = self.session.add_torrent(params)
        if self._credential:
            own = self._credential
            handle.set_ssl_certificate_buffer(own.certificate.decode(), own.key.decode(), "")
        handle.connect_peer(address)
        handle.resume()
        return handle


def in_a_cluster_with_a_ca(tls, authority):
    """Let a node have its certificates from a CA, and return one of the same that has expired."""
    (one,) = tls.memberships
    tls.memberships = (Membership(one.secret, authority.issue("node")),)
    return authority.issue_until("late", NOW - 9 * DAY, NOW - DAY)


async def test_an_expired_certificate_is_refused(libtorrent_node, tls, make_blob, tmp_path, counters):
    expired = in_a_cluster_with_a_ca(tls, Authority.new(NOW - 30 * DAY))
    blob = make_blob(realm=Realms(tls)()[0])
    seed, peer = await libtorrent_node(tls)
    blob.seed(seed)
    outsider = Outsider(expired)
    handle = outsider.join(blob, tmp_path, peer.address)
    await refused(counters)
    assert not (await asyncio.to_thread(handle.status)).has_metadata
    await asyncio.to_thread(outsider.session.pause)


async def refused(counters):
    """Wait until a stranger was put out, and as long as it takes for something to come nevertheless."""
    async with asyncio.timeout(PATIENCE):
        while not (counters.dropped.get("swarm.unauthorized") or counters.dropped.get("swarm.malformed")):  # noqa: ASYNC110  (nothing tells of a count)
            await asyncio.sleep(0.01)
    await asyncio.sleep(NOTHING_COMES)


@pytest.mark.parametrize("kind", ["no certificate", "of another cluster", "no TLS at all"])
async def test_an_outsider_that_knows_the_infohash_gets_nothing(libtorrent_node, tls, blob, tmp_path, counters, kind):
    seed, peer = await libtorrent_node(tls)
    blob.seed(seed)
    another = tls_of(b"the secret of another").memberships[0].credential
    outsider = Outsider(another if kind == "of another cluster" else None, plain=kind == "no TLS at all")
    handle = outsider.join(blob, tmp_path, peer.address)
    await refused(counters)
    status = await asyncio.to_thread(handle.status)
    assert not status.has_metadata
    assert status.total_payload_download == 0
    await asyncio.to_thread(outsider.session.pause)


async def handshake(address, context, name):
    reader, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=name)
    try:
        writer.write(b"\x13BitTorrent protocol" + bytes(8))
        return await asyncio.wait_for(reader.read(1), PATIENCE)
    except TimeoutError:
        return b"open"
    finally:
        writer.close()


def trusting(context):
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("named", [True, False])
async def test_a_handshake_without_a_certificate_is_refused_whether_the_torrent_is_named_or_not(
    libtorrent_node, tls, blob, named
):
    seed, peer = await libtorrent_node(tls)
    blob.seed(seed)
    name = blob.metainfo.infohash[:20].hex() if named else "nobody.example"
    outcome = b""
    with suppress(OSError):
        outcome = await handshake(peer.address, trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)), name)
    assert outcome == b""


async def test_a_member_without_the_torrent_is_not_let_into_another_by_its_name(
    libtorrent_node, tls, make_blob, tmp_path
):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls)
    here, there = (make_blob(seed=number, realm=Realms(tls)()[0]) for number in (1, 2))
    here.seed(seed)
    assert not await comes(fetcher.fetch(there.metainfo, tmp_path / "out", [peer]))


async def test_a_torrent_of_another_cluster_is_refused_with_a_hint(libtorrent_node, tls, make_blob, tmp_path):
    fetcher, _ = await libtorrent_node(tls)
    other = make_blob(realm=Realms(tls_of(b"the secret of another"))()[0])
    with pytest.raises(InvalidMetainfo) as caught:
        fetcher.fetch(other.metainfo, tmp_path / "out", [])
    assert "that cluster" in caught.value.hint


async def test_a_plain_torrent_is_not_served_by_a_node_with_a_secret(libtorrent_node, tls, make_blob, tmp_path):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node()
    blob = make_blob(realm=OPEN)
    blob.seed(seed)
    assert not await comes(fetcher.fetch(blob.metainfo, tmp_path / "out", [peer]))


async def test_a_plain_torrent_can_be_fetched_from_outside_by_a_node_with_a_secret(
    libtorrent_node, tls, make_blob, tmp_path
):
    (seed, peer), (fetcher, _) = await libtorrent_node(), await libtorrent_node(tls)
    blob = make_blob(realm=OPEN)
    blob.seed(seed)
    assert await fetcher.fetch(blob.metainfo, tmp_path / "out", [peer]).complete() == blob.tree


async def test_a_renewed_certificate_is_shown_to_those_who_connect_later(libtorrent_node, tls, blob, tmp_path):
    (seed, peer), (first, _), (second, _) = [await libtorrent_node(tls) for _ in range(3)]
    blob.seed(seed)
    await first.fetch(blob.metainfo, tmp_path / "1", [peer]).complete()
    expired = tls_of(b"the secret of another").memberships[0]
    good = tls.memberships
    tls.memberships = (replace(good[0], credential=replace(expired.credential, root=good[0].credential.root)),)
    seed.renew()
    assert not await comes(second.fetch(blob.metainfo, tmp_path / "2", [peer]))
    tls.memberships = good
    seed.renew()
    third, _ = await libtorrent_node(tls)
    await third.fetch(blob.metainfo, tmp_path / "3", [peer]).complete()


async def test_a_swarm_port_that_gets_garbage_serves_on(libtorrent_node, tls, blob, tmp_path, counters):
    (seed, peer), (fetcher, _) = await libtorrent_node(tls), await libtorrent_node(tls)
    blob.seed(seed)
    for junk in (b"", os.urandom(70_000), b"\x13BitTorrent protocol" + os.urandom(48), b"\x16\x03\x01\x02\0" * 9):
        _, writer = await asyncio.open_connection(*peer.address)
        writer.write(junk)
        writer.close()
    transfer = fetcher.fetch(blob.metainfo, tmp_path / "out", [peer])
    assert await transfer.complete() == blob.tree
    assert counters.dropped["swarm.unauthorized"] >= 1
