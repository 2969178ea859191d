"""What libtorrent's alerts mean, each by itself."""

import errno

import libtorrent as lt

from p2player.errors import DiskFull, StorageError
from p2player.swarm.transfer import LibtorrentTransfer


def tell(transfer: LibtorrentTransfer, alert: lt.torrent_alert) -> None:  # noqa: C901  (one flat dispatch reads best)
    """Pass an alert of its torrent on to a transfer."""
    match alert:
        case lt.unwanted_block_alert():
            transfer.blame.on_unasked(alert.endpoint)
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
        case lt.torrent_paused_alert():
            transfer.on_paused()
        case lt.file_renamed_alert():
            transfer.on_moved()
        case lt.hash_failed_alert():
            transfer.blame.on_hash_failed(alert.piece_index)
        case lt.peer_ban_alert():
            transfer.on_peer_banned(alert.endpoint, alert.pid.to_bytes())
        case lt.file_error_alert():
            transfer.fail(_disk_error(alert))
        case lt.torrent_error_alert() | lt.file_rename_failed_alert() | lt.save_resume_data_failed_alert():
            transfer.fail(StorageError(f"libtorrent gave up on {transfer.metainfo.digest}: {alert.message()}"))


def dropped(alert: lt.alert) -> str | None:
    """Return under which name to count what an alert says has come to nothing, or None if it says something else."""
    if isinstance(alert, lt.alerts_dropped_alert):
        return "swarm.alerts"
    if isinstance(alert, lt.peer_disconnected_alert | lt.peer_error_alert) and not alert.handle.is_valid():
        # It left, or was put out, before it had named a torrent of ours: in its TLS handshake, or behind it.
        return "swarm.unauthorized" if isinstance(alert, lt.peer_error_alert) else "swarm.malformed"
    return None


def _disk_error(alert: lt.file_error_alert) -> StorageError:
    if alert.error.value() == errno.ENOSPC:
        return DiskFull(f"the disk is full: {alert.filename()}", hint="free some space, then try again")
    return StorageError(f"cannot write {alert.filename()}: {alert.error.message()}")
