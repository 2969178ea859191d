import hashlib
from dataclasses import replace

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidMetainfo
from p2player.oci.digest import Digest
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.realm import Realm

DIGEST = Digest.of(b"blob")
METAINFO = Metainfo(DIGEST, 1_000_000, bytes(range(32)), Realm(b"salt"))

metainfos = st.builds(
    Metainfo,
    st.sampled_from(["sha256", "sha512"]).map(lambda name: Digest(name, hashlib.new(name, b"blob").hexdigest())),
    st.integers(1, 1 << 43),
    st.binary(min_size=32, max_size=32).filter(any),
    st.builds(Realm, st.sampled_from([b"", b"of the cluster", bytes(32)]), st.sampled_from([b"", b"a root"])),
)


def torrent(**changed):
    """Return METAINFO's torrent file with some keys of its info dictionary changed."""
    info = lt.bdecode(METAINFO.info()) | {key.replace("_", " ").encode(): value for key, value in changed.items()}
    return lt.bencode({b"info": {key: value for key, value in info.items() if value is not None}})


@given(metainfos, st.sampled_from([b"", bytes(64)]))
def test_a_torrent_file_says_all_there_is_to_say(metainfo, piece_layer):
    assert Metainfo.from_torrent(metainfo.torrent_file(piece_layer)) == metainfo


@given(metainfos)
def test_libtorrent_knows_the_swarm_by_the_same_infohash(metainfo):
    assert lt.torrent_info(lt.bdecode(metainfo.torrent_file(b""))).info_hashes().v2.to_bytes() == metainfo.infohash


@pytest.mark.parametrize("size", [1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 1_000_000])
@pytest.mark.parametrize("with_layer", [True, False])
def test_libtorrent_takes_the_torrent_file_with_and_without_a_piece_layer(make_blob, size, with_layer):
    blob = make_blob(size)
    params = lt.load_torrent_buffer(blob.metainfo.torrent_file(blob.tree.piece_layer if with_layer else b""))
    assert params.ti.num_pieces() == blob.metainfo.piece_count == len(blob.pieces)
    assert params.ti.piece_length() == blob.metainfo.piece_length
    assert params.ti.layout().file_size(0) == size
    assert params.ti.name() == str(blob.metainfo.digest)


@pytest.mark.parametrize(
    "other",
    [
        replace(METAINFO, digest=Digest.of(b"other")),
        replace(METAINFO, size=1_000_001),
        replace(METAINFO, root=bytes(32)),
        replace(METAINFO, realm=Realm()),
        replace(METAINFO, realm=Realm(b"other")),
        replace(METAINFO, realm=Realm(b"salt", b"a root")),
    ],
)
def test_whatever_differs_makes_another_swarm(other):
    assert other.infohash != METAINFO.infohash


@given(st.binary(max_size=200))
def test_garbage_is_no_torrent(data):
    with pytest.raises(InvalidMetainfo):
        Metainfo.from_torrent(data)


@given(st.data())
def test_a_damaged_torrent_is_refused_or_another_one(data):
    raw = bytearray(METAINFO.torrent_file(b""))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        found = Metainfo.from_torrent(bytes(raw))
    except InvalidMetainfo:
        return
    assert found.infohash == hashlib.sha256(found.info()).digest()


bencodable = st.recursive(
    st.integers(-(1 << 70), 1 << 70) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.sampled_from([b"name", b"file tree", b"piece length", b"meta version", b"source", b"ssl-cert", b"more"]),
    bencodable,
)
def test_a_torrent_with_any_key_of_any_other_kind_is_refused(key, value):
    info = lt.bdecode(METAINFO.info())
    try:
        raw = lt.bencode({b"info": info | {key: value}})
        is_same = lt.bdecode(raw)[b"info"] == info
    except (RuntimeError, OverflowError, ValueError):
        return  # libtorrent cannot even write it
    if not is_same and key not in {b"source", b"ssl-cert"}:
        with pytest.raises(InvalidMetainfo):
            Metainfo.from_torrent(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(torrent(piece_length=1 << 20), id="a piece length of its own"),
        pytest.param(torrent(private=1), id="a key of its own"),
        pytest.param(torrent(meta_version=None), id="no version"),
        pytest.param(torrent(name=b"file.bin"), id="a name that is no file of it"),
        pytest.param(torrent(source=b"not hex"), id="a salt that is not hex"),
        pytest.param(torrent(source=7), id="a salt that is a number"),
        pytest.param(torrent(**{"ssl-cert": 7}), id="a certificate that is a number"),
        pytest.param(
            torrent(file_tree={str(DIGEST).encode(): {b"": {b"length": 0, b"pieces root": METAINFO.root}}}), id="empty"
        ),
        pytest.param(
            torrent(file_tree={str(DIGEST).encode(): {b"": {b"length": 5, b"pieces root": b"short"}}}), id="short root"
        ),
        pytest.param(torrent(file_tree={str(DIGEST).encode(): {b"": {b"length": 5}}}), id="no root"),
        pytest.param(
            torrent(file_tree={str(DIGEST).encode(): {b"": {b"length": 5, b"pieces root": bytes(32)}}}), id="zeros"
        ),
        pytest.param(torrent(file_tree={b"a": {}, b"b": {}}), id="two files"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"i1e", id="a number"),
        pytest.param(b"d4:infoi1ee", id="info is a number"),
    ],
)
def test_other_torrents_are_refused_with_a_word_on_what_is_wrong(raw):
    with pytest.raises(InvalidMetainfo, match="not a torrent of a blob: ") as caught:
        Metainfo.from_torrent(raw)
    assert caught.value.hint
