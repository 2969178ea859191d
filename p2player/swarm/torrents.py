"""What libtorrent is told of a blob's torrent: to seed it, to fetch it, to go on with it."""

from pathlib import Path

import libtorrent as lt

from p2player.swarm.metainfo import Metainfo


def seeding(metainfo: Metainfo, path: Path, piece_layer: bytes) -> lt.add_torrent_params:
    """Return the torrent of a verified file."""
    params = lt.load_torrent_buffer(metainfo.torrent_file(piece_layer))
    _put_at(params, path)
    # Seed mode would hash each piece once more before it is first sent; whoever gets it does that anyway.
    params.have_pieces = [True] * metainfo.piece_count
    params.flags = lt.torrent_flags.no_verify_files | lt.torrent_flags.disable_pex
    return params


def fetching(metainfo: Metainfo, path: Path, *, in_order: bool) -> lt.add_torrent_params:
    """Return the torrent of a blob of which nothing is here: paused, and still to be told its info."""
    params = lt.add_torrent_params()
    params.info_hashes = lt.info_hash_t(lt.sha256_hash(metainfo.infohash))
    _put_at(params, path)
    params.root_certificate = metainfo.realm.root_certificate.decode("latin-1")
    # Peers that are known when a torrent without metadata begins are connected at once; otherwise the first connection
    # waits for the session's next tick, up to half a second. It must not begin before the torrent has its certificate.
    params.flags = lt.torrent_flags.disable_pex | lt.torrent_flags.paused
    if in_order:
        params.flags |= lt.torrent_flags.sequential_download
    return params


def kept(params: lt.add_torrent_params) -> lt.add_torrent_params:
    """Return a copy of what an alert says there is of a torrent; the alert's own is gone with the next alerts."""
    return lt.read_resume_data(lt.write_resume_data_buf(params))


def going_on(kept: lt.add_torrent_params, path: Path) -> lt.add_torrent_params:
    """Return the torrent that goes on with the pieces and hashes of another, and knows nothing of its peers. It is paused."""
    _put_at(kept, path)
    kept.peers = kept.banned_peers = []
    # A piece that is there in part may hold what a liar has sent.
    kept.unfinished_pieces = {}
    # What it says is here was flushed. To look at the file first would take until after the next call of who reads from it.
    flags = lt.torrent_flags.disable_pex | lt.torrent_flags.paused | lt.torrent_flags.no_verify_files
    kept.flags = flags | kept.flags & lt.torrent_flags.apply_ip_filter
    return kept


def pieces(kept: lt.add_torrent_params) -> frozenset[int]:
    """Return the pieces that are there, in the file."""
    return frozenset(index for index, is_there in enumerate(kept.have_pieces) if is_there)


def _put_at(params: lt.add_torrent_params, path: Path) -> None:
    params.save_path = str(path.parent)
    params.renamed_files = {0: path.name}
