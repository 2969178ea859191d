from pathlib import Path

import libtorrent as lt
import pytest

from p2player.swarm import torrents

OLD, NEW = Path("/data/staging/1/old"), Path("/data/staging/1/new")


@pytest.fixture
def resume(blob):
    """Return what libtorrent says it has of a blob: two pieces, a part of a third, and what it thinks of peers."""
    params = torrents.seeding(blob.metainfo, OLD, blob.tree.piece_layer)
    params.have_pieces = [index < 2 for index in range(blob.metainfo.piece_count)]
    params.unfinished_pieces = {2: [True, False, False, False]}
    params.peers = [("10.0.0.1", 1)]
    params.banned_peers = [("10.0.0.2", 1)]
    params.upload_limit = 1234
    return params


def test_what_is_kept_of_a_torrent_is_all_of_it(resume, blob):
    kept = torrents.kept(resume)
    assert torrents.pieces(kept) == {0, 1}
    assert kept.banned_peers == [("10.0.0.2", 1)]
    assert kept.ti.info_hashes().v2.to_bytes() == blob.metainfo.infohash


def test_who_goes_on_has_the_same_pieces_and_hashes_in_the_same_file(resume, blob):
    going_on = torrents.going_on(torrents.kept(resume), NEW)
    assert torrents.pieces(going_on) == {0, 1}
    assert going_on.upload_limit == 1234
    assert (going_on.save_path, going_on.renamed_files) == (str(NEW.parent), {0: NEW.name})
    assert lt.write_resume_data(going_on)[b"info-hash2"] == blob.metainfo.infohash


def test_who_goes_on_knows_nothing_of_peers_nor_of_what_they_have_sent_in_part(resume):
    going_on = torrents.going_on(torrents.kept(resume), NEW)
    assert going_on.peers == going_on.banned_peers == []
    assert going_on.unfinished_pieces == {}


@pytest.mark.parametrize("is_filtered", [True, False])
def test_who_goes_on_is_paused_and_keeps_out_those_that_were_cut_off(resume, is_filtered):
    flags = lt.torrent_flags
    resume.flags = flags.apply_ip_filter if is_filtered else flags.sequential_download
    going_on = torrents.going_on(torrents.kept(resume), NEW)
    expected = flags.paused | flags.disable_pex | flags.no_verify_files
    assert going_on.flags == expected | (flags.apply_ip_filter if is_filtered else 0)
