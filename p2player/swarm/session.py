"""The libtorrent session of a node, driven by asyncio: no thread of ours, no polling for alerts."""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import libtorrent as lt

from p2player.counters import Counters
from p2player.errors import AddressUnusable, DiskFull, StorageError, TransferStalled
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import SwarmPeer, Transfer
from p2player.swarm.settings import session_params
from p2player.swarm.transfer import LibtorrentTransfer
from p2player.tasks import Tasks

log = logging.getLogger(__name__)

_TICK = 0.5  # seconds between two looks at each running transfer


class LibtorrentSwarms:
    """All swarms this node is in. `start` makes one; `close` leaves them all."""

    def __init__(self, session: lt.session, counters: Counters) -> None:
        self._session = session
        self._counters = counters
        self._tasks = Tasks("swarm")
        self._handles: dict[bytes, lt.torrent_handle] = {}
        # Those of the above that are being fetched.
        self._transfers: dict[lt.torrent_handle, LibtorrentTransfer] = {}
        self._wake, wake_writer = os.pipe()
        self._wake_writer = wake_writer
        for descriptor in (self._wake, wake_writer):
            os.set_blocking(descriptor, False)
        session.set_alert_fd(wake_writer)

    @classmethod
    async def start(cls, host: str, port: int, node_id: bytes, counters: Counters) -> Self:
        """Return a session that listens on host:port (0: any free port). Raises AddressUnusable."""
        session = lt.session(session_params(host, port, node_id))
        if not await asyncio.to_thread(session.listen_port):
            raise AddressUnusable(
                f"cannot listen on {host}:{port} for BitTorrent",
                hint="the swarm uses the port after the cluster port; free it, or choose another --cluster address",
            )
        swarms = cls(session, counters)
        asyncio.get_running_loop().add_reader(swarms._wake, swarms._on_alerts)
        swarms._tasks.spawn(swarms._tick_regularly(), "tick")
        return swarms

    @property
    def port(self) -> int:
        """The TCP port peers connect to."""
        return self._session.listen_port()

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
            params = lt.load_torrent_buffer(metainfo.torrent_file(piece_layer))
            _put_at(params, path)
            # Seed mode would hash each piece once more before it is first sent; whoever gets it does that anyway.
            params.have_pieces = [True] * metainfo.piece_count
            params.flags = lt.torrent_flags.no_verify_files | lt.torrent_flags.disable_pex
            self._handles[metainfo.infohash] = self._session.add_torrent(params)

    def stop_seeding(self, metainfo: Metainfo) -> None:
        """Serve it no longer; nothing happens if it was not served."""
        if (handle := self._handles.pop(metainfo.infohash, None)) is not None:
            if (transfer := self._transfers.pop(handle, None)) is not None:
                # No alert of it is passed on any more, so whoever still waits would wait for ever.
                transfer.fail(TransferStalled(f"the transfer of {metainfo.digest} was given up"))
            self._session.remove_torrent(handle)

    def fetch(self, metainfo: Metainfo, path: Path, peers: Sequence[SwarmPeer]) -> LibtorrentTransfer:
        """Return a transfer of the blob from peers into the file at path."""
        params = lt.add_torrent_params()
        params.info_hashes = lt.info_hash_t(lt.sha256_hash(metainfo.infohash))
        _put_at(params, path)
        params.flags = lt.torrent_flags.disable_pex
        if all(peer.is_seed for peer in peers):
            params.flags |= lt.torrent_flags.sequential_download
        # Peers given with a torrent that has no metadata yet are connected at once; in any other order of these steps
        # the first connection waits for the session's next tick, up to half a second later.
        params.peers = [peer.address for peer in peers]
        handle = self._session.add_torrent(params)
        handle.set_metadata(metainfo.info())
        self._handles[metainfo.infohash] = handle
        transfer = self._transfers[handle] = LibtorrentTransfer(metainfo, path, handle, peers)
        return transfer

    def abandon(self, transfer: Transfer) -> None:
        """Leave the swarm of a transfer and forget it. The file stays for its owner to remove."""
        self.stop_seeding(transfer.metainfo)

    async def _tick_regularly(self) -> None:
        while True:
            for transfer in list(self._transfers.values()):
                if not transfer.is_finished:
                    await transfer.look()
            await asyncio.sleep(_TICK)

    def _on_alerts(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        for alert in self._session.pop_alerts():
            try:
                self._on_alert(alert)
            except Exception:
                # One alert that is handled wrongly must not take the others with it.
                log.exception("alert %s", alert)

    def _on_alert(self, alert: lt.alert) -> None:  # noqa: C901  (one flat dispatch reads best)
        if isinstance(alert, lt.alerts_dropped_alert):
            self._counters.drop("swarm.alerts")
            return
        if isinstance(alert, lt.peer_disconnected_alert) and not alert.handle.is_valid():
            # It left, or was put out, before it had named a torrent of ours.
            self._counters.drop("swarm.malformed")
            return
        if not isinstance(alert, lt.torrent_alert) or (transfer := self._transfers.get(alert.handle)) is None:
            return
        match alert:
            case lt.piece_finished_alert():
                transfer.on_piece_finished(alert.piece_index)
            case lt.read_piece_alert():
                transfer.on_read_piece(alert)
            case lt.torrent_finished_alert():
                transfer.on_finished()
            case lt.cache_flushed_alert():
                transfer.on_flushed()
            case lt.save_resume_data_alert():
                transfer.on_resume_data(alert.params)
            case lt.file_renamed_alert():
                transfer.on_moved()
                del self._transfers[alert.handle]
            case lt.hash_failed_alert():
                self._counters.drop("swarm.pieces")
            case lt.file_error_alert():
                transfer.fail(_disk_error(alert))
            case lt.torrent_error_alert() | lt.file_rename_failed_alert() | lt.save_resume_data_failed_alert():
                transfer.fail(StorageError(f"libtorrent gave up on {transfer.metainfo.digest}: {alert.message()}"))


def _put_at(params: lt.add_torrent_params, path: Path) -> None:
    params.save_path = str(path.parent)
    params.renamed_files = {0: path.name}


def _disk_error(alert: lt.file_error_alert) -> StorageError:
    if alert.error.value() == errno.ENOSPC:
        return DiskFull(f"the disk is full: {alert.filename()}", hint="free some space, then try again")
    return StorageError(f"cannot write {alert.filename()}: {alert.error.message()}")


def _end(session: lt.session) -> None:
    del session
