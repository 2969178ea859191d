"""The libtorrent session of a node, driven by asyncio: no thread of ours, no polling for alerts."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import libtorrent as lt

from p2player.counters import Counters
from p2player.errors import AddressUnusable, InvalidMetainfo, StorageError, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.tls import ClusterTls
from p2player.swarm import torrents
from p2player.swarm.alerts import dropped, tell
from p2player.swarm.halfopen import HalfOpen
from p2player.swarm.idle import end_idle
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address, SwarmPeer, Transfer
from p2player.swarm.settings import session_params
from p2player.swarm.sockets import cut_off
from p2player.swarm.transfer import LibtorrentTransfer
from p2player.tasks import Tasks

log = logging.getLogger(__name__)

# The group ffdhe2048 (RFC 7919, appendix A.1). libtorrent wants one to be given; TLS 1.3 makes no use of it.
DH_PARAMETERS = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""

_HALF_OPEN_TICK = 1.0
_IDLE_TICK = 10.0
_TICK = 0.5  # seconds between two looks at each running transfer


class LibtorrentSwarms:
    """All swarms this node is in. `start` makes one; `close` leaves them all."""

    def __init__(self, session: lt.session, counters: Counters, tls: ClusterTls) -> None:
        self._session = session
        self._counters = counters
        self._tls = tls
        self._tasks = Tasks("swarm")
        self._handles: dict[bytes, lt.torrent_handle] = {}
        self._digests: dict[lt.torrent_handle, Digest] = {}
        self._on_read_error: Callable[[Digest], None] = lambda _: None
        # The root certificates of those that have one.
        self._roots: dict[lt.torrent_handle, bytes] = {}
        # Those of the above that are being fetched.
        self._transfers: dict[lt.torrent_handle, LibtorrentTransfer] = {}
        # Those that have had a connection since they were last known to have none that is of use.
        self._met: set[lt.torrent_handle] = set()
        # The hosts of flooders: none is let into the transfers that were flooded.
        self._flooders = lt.ip_filter()
        self._cutting_off: set[Address] = set()
        self._wake, wake_writer = os.pipe()
        self._wake_writer = wake_writer
        for descriptor in (self._wake, wake_writer):
            os.set_blocking(descriptor, False)
        session.set_alert_fd(wake_writer)
        self._half_open = HalfOpen(_listen_port(session, tls))

    @classmethod
    async def start(cls, host: str, port: int, node_id: bytes, counters: Counters, tls: ClusterTls) -> Self:
        """Return a session that listens on host:port (0: any free port). Raises AddressUnusable.

        If there is TLS, only members of swarms with a root certificate that is known there can connect.
        """
        session = lt.session(session_params(host, port, node_id, tls=tls.mode != "none"))
        if not await asyncio.to_thread(_listen_port, session, tls):
            raise AddressUnusable(
                f"cannot listen on {host}:{port} for BitTorrent",
                hint="the swarm uses the port after the cluster port; free it, or choose another --cluster address",
            )
        swarms = cls(session, counters, tls)
        asyncio.get_running_loop().add_reader(swarms._wake, swarms._on_alerts)
        swarms._tasks.spawn(swarms._tick_regularly(), "tick")
        swarms._tasks.spawn(swarms._end_idle_regularly(), "idle connections")
        if tls.mode != "none":
            swarms._tasks.spawn(swarms._end_half_open(), "half-open connections")
        return swarms

    def on_read_error(self, hear: Callable[[Digest], None]) -> None:
        """Let hear be told, in place of who was before, of each seeded blob whose file cannot be read."""
        self._on_read_error = hear

    @property
    def port(self) -> int:
        """The TCP port peers connect to."""
        return _listen_port(self._session, self._tls)

    async def close(self) -> None:
        """Leave all swarms. Transfers still under way are abandoned."""
        await self._tasks.close()
        asyncio.get_running_loop().remove_reader(self._wake)
        for transfer in list(self._transfers.values()):
            self.abandon(transfer)
        session = self._session
        del self._session
        # The last reference ends libtorrent's threads and waits for them.
        await asyncio.to_thread(_end, session)
        for descriptor in (self._wake, self._wake_writer):
            os.close(descriptor)

    def seed(self, metainfo: Metainfo, path: Path, piece_layer: bytes) -> None:
        """Serve a verified file to whoever asks, until `stop_seeding`."""
        if metainfo.infohash not in self._handles:
            self._add(metainfo, torrents.seeding(metainfo, path, piece_layer))

    def stop_seeding(self, metainfo: Metainfo) -> None:
        """Serve it no longer; nothing happens if it was not served."""
        if (handle := self._handles.get(metainfo.infohash)) is not None:
            if (transfer := self._forget(handle)) is not None:
                # No alert of it is passed on any more, so whoever still waits would wait for ever.
                transfer.fail(TransferStalled(f"the transfer of {metainfo.digest} was given up"))
            self._remove(metainfo, handle)

    def fetch(self, metainfo: Metainfo, path: Path, peers: Sequence[SwarmPeer]) -> LibtorrentTransfer:
        """Return a transfer of the blob from peers into the file at path.

        Raises InvalidMetainfo if it is in a swarm of a cluster of which there is no certificate here.
        """
        root = metainfo.realm.root_certificate
        if root and self._tls.credential(root) is None:
            raise InvalidMetainfo(
                f"{metainfo.digest} is named as it is in another cluster, or under another secret",
                hint="only a node of that cluster can join its swarms; make the torrent anew, or export the blob there",
            )
        in_order = all(peer.is_seed for peer in peers)
        handle = self._add(metainfo, torrents.fetching(metainfo, path, in_order=in_order))
        for peer in peers:
            handle.connect_peer(peer.address)
        handle.resume()
        handle.set_metadata(metainfo.info())
        transfer = self._transfers[handle] = LibtorrentTransfer(metainfo, path, handle, peers)
        return transfer

    def _add(self, metainfo: Metainfo, params: lt.add_torrent_params) -> lt.torrent_handle:
        handle = self._handles[metainfo.infohash] = self._session.add_torrent(params)
        self._digests[handle] = metainfo.digest
        if root := metainfo.realm.root_certificate:
            self._roots[handle] = root
            self._show(handle, root)
        return handle

    def _remove(self, metainfo: Metainfo, handle: lt.torrent_handle) -> None:
        del self._handles[metainfo.infohash]
        del self._digests[handle]
        self._roots.pop(handle, None)
        self._met.discard(handle)
        self._session.remove_torrent(handle)

    async def _begin_anew(self, transfer: LibtorrentTransfer) -> None:
        """Let a transfer that stands still go on with a new torrent, which knows nothing of who was put out of the last."""
        handle = transfer.handle
        kept = await transfer.halt()
        if kept is None or self._transfers.pop(handle, None) is None:
            return  # there is no need any more
        # No alert of the last torrent is taken for one of the next: their handles differ.
        self._remove(transfer.metainfo, handle)
        try:
            handle = self._add(transfer.metainfo, torrents.going_on(kept, transfer.path))
        except RuntimeError as error:
            transfer.fail(StorageError(f"libtorrent does not go on with {transfer.metainfo.digest}: {error}"))
            return
        self._transfers[handle] = transfer
        transfer.go_on(handle)

    def abandon(self, transfer: Transfer) -> None:
        """Leave the swarm of a transfer and forget it. The file stays for its owner to remove."""
        self.stop_seeding(transfer.metainfo)

    def _forget(self, handle: lt.torrent_handle) -> LibtorrentTransfer | None:
        """Return the transfer that a torrent was until now, if it was one."""
        if (transfer := self._transfers.pop(handle, None)) is not None:
            self._counters.add_bytes("redundant", transfer.tally.useless)
        return transfer

    def renew(self) -> None:
        """Show the certificates that are known now in all swarms, to those who connect from here on."""
        for handle, root in self._roots.items():
            self._show(handle, root)

    def _show(self, handle: lt.torrent_handle, root: bytes) -> None:
        if (own := self._tls.credential(root)) is not None:
            handle.set_ssl_certificate_buffer(own.certificate.decode(), own.key.decode(), DH_PARAMETERS)

    async def _tick_regularly(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            for transfer in list(self._transfers.values()):
                if not transfer.is_finished:
                    await transfer.look()
                    if transfer.stands_still(clock()):
                        self._tasks.spawn(self._begin_anew(transfer), "begin anew")
            await asyncio.sleep(_TICK)

    async def _end_idle_regularly(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_TICK)
            await self.end_idle()

    async def end_idle(self) -> None:
        """End the connections of blobs that everybody who is connected has."""
        # A transfer reads at its end how much came from whom.
        met, self._met = self._met - self._transfers.keys(), self._met & self._transfers.keys()
        self._met |= await asyncio.to_thread(end_idle, met)

    async def _end_half_open(self) -> None:
        while True:
            await asyncio.sleep(_HALF_OPEN_TICK)
            await asyncio.to_thread(self._half_open.look, time.monotonic())

    def _keep_out(self, transfer: LibtorrentTransfer, peer: Address) -> None:
        """Have no connection to a peer if it floods a transfer."""
        if not transfer.blame.is_flooder(peer) or peer in self._cutting_off:
            return
        self._counters.drop("swarm.flood")
        if not transfer.knows_others_at(peer):
            # Or libtorrent connects again within a second, and may ask it for hashes, which it waits for for three.
            self._flooders.add_rule(peer[0], peer[0], 1)
            self._session.set_ip_filter(self._flooders)
            transfer.handle.set_flags(lt.torrent_flags.apply_ip_filter)
        self._cutting_off.add(peer)
        self._tasks.spawn(self._cut_off(peer), "cut off")

    async def _cut_off(self, peer: Address) -> None:
        try:
            await asyncio.to_thread(cut_off, peer)
        finally:
            self._cutting_off.discard(peer)

    def _on_alerts(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        for alert in self._session.pop_alerts():
            try:
                self._on_alert(alert)
            except Exception:
                # One alert that is handled wrongly must not take the others with it.
                log.exception("alert %s", alert)

    def _on_alert(self, alert: lt.alert) -> None:
        if isinstance(alert, lt.incoming_connection_alert):
            self._half_open.let_in(alert.endpoint)
            return
        if isinstance(alert, lt.peer_connect_alert):
            self._met.add(alert.handle)
        if (name := dropped(alert)) is not None:
            self._counters.drop(name)
            return
        if not isinstance(alert, lt.torrent_alert):
            return
        if (transfer := self._transfers.get(alert.handle)) is None:
            if isinstance(alert, lt.file_error_alert) and (digest := self._digests.get(alert.handle)) is not None:
                # libtorrent goes on with it; whether it is the disk or something else that will pass is not known here.
                self._on_read_error(digest)
            return
        tell(transfer, alert)
        match alert:
            case lt.peer_connect_alert() | lt.unwanted_block_alert():
                self._keep_out(transfer, alert.endpoint)
            case lt.hash_failed_alert():
                self._counters.drop("swarm.pieces")
            case lt.file_renamed_alert():
                self._forget(alert.handle)


def _listen_port(session: lt.session, tls: ClusterTls) -> int:
    return session.listen_port() if tls.mode == "none" else session.ssl_listen_port()


def _end(session: lt.session) -> None:
    del session
