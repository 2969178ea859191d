"""What libtorrent is told of a blob's torrent: to seed it, to fetch it."""

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


def _put_at(params: lt.add_torrent_params, path: Path) -> None:
    params.save_path = str(path.parent)
    params.renamed_files = {0: path.name}
