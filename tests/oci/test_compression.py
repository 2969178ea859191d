import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidArchive
from p2player.oci.compression import Compression, Decompressor

ZSTD = zstandard.ZstdCompressor()


def decompress(data, chunk=7):
    pieces = []
    decompressor = Decompressor(pieces.append)
    for start in range(0, len(data), chunk):
        decompressor.write(data[start : start + chunk])
    decompressor.finish()
    return b"".join(pieces)


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    st.sampled_from([gzip.compress, ZSTD.compress]),
    st.integers(1, 100),
)
def test_members_and_frames_in_any_chunks_give_the_content_back(parts, compress, chunk):
    assert decompress(b"".join(map(compress, parts)), chunk) == b"".join(parts)


@given(st.binary(max_size=50).filter(lambda data: Compression.of(data) is Compression.NONE), st.integers(1, 10))
def test_anything_else_passes_as_it_is(data, chunk):
    assert decompress(data, chunk) == data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(b"", mtime=0), Compression.GZIP),
        (ZSTD.compress(b""), Compression.ZSTD),
        (b"file\0", Compression.NONE),
        (b"", Compression.NONE),
    ],
)
def test_compression_is_told_by_the_first_four_bytes(data, kind):
    assert Compression.of(data[:4]) is kind


@given(st.integers(1, 19))
def test_gzip_that_is_cut_off_is_refused(length):
    with pytest.raises(InvalidArchive, match="cut off"):
        decompress(gzip.compress(b"some bytes of a layer")[: length + 3])


def test_zero_padding_behind_gzip_is_no_content():
    assert decompress(gzip.compress(b"layer") + bytes(700)) == b"layer"


@pytest.mark.parametrize("data", [gzip.compress(b"layer", mtime=0) + b"junk", b"\x28\xb5\x2f\xfd" + b"\xff" * 40])
def test_damaged_streams_are_refused(data):
    with pytest.raises(InvalidArchive, match="damaged"):
        decompress(data)


@pytest.mark.parametrize("compress", [gzip.compress, ZSTD.compress])
def test_what_comes_out_comes_in_small_pieces_however_well_it_was_compressed(compress):
    sizes = []
    decompressor = Decompressor(lambda data: sizes.append(len(data)))
    decompressor.write(compress(bytes(20_000_000)))
    decompressor.finish()

    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1024 * 1024
