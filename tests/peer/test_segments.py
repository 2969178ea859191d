import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.segments import (
    HEADER_BYTES,
    Segment,
    SegmentReader,
    end_of,
    length_on_wire,
    new_run,
    segment_bytes,
    start_of,
)

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

SIGNER = Identity.from_seed(b"s" * 32)
OTHER = Identity.from_seed(b"o" * 32)
RUN = new_run()
DATA = random.Random(1).randbytes(3 * SEGMENT + 1000)
DIGEST = Digest.of(DATA)


def signed(offset, data=DATA, identity=SIGNER):
    return Segment.sign(identity, RUN, DIGEST, len(data), offset, data[offset : end_of(offset, len(data))])


def stream(start=0, data=DATA):
    offsets = range(start, len(data), SEGMENT)
    return b"".join(signed(at, data).pack() + data[at : end_of(at, len(data))] for at in offsets)


def test_what_was_signed_is_told_from_what_was_not():
    segment = signed(0)
    assert segment.node == SIGNER.node_id
    assert segment.is_of(DATA[:SEGMENT])
    assert not segment.is_of(DATA[1 : SEGMENT + 1])
    assert segment.is_signed(DIGEST, len(DATA))


@pytest.mark.parametrize(
    "change",
    [
        {"offset": SEGMENT},
        {"run": new_run()},
        {"sha256": bytes(32)},
        {"signer": OTHER.public_key},
        {"signer": bytes(32)},
        {"signature": bytes(64)},
    ],
)
def test_a_segment_that_was_changed_is_not_signed(change):
    assert not dataclasses.replace(signed(0), **change).is_signed(DIGEST, len(DATA))


def test_a_segment_is_signed_for_one_blob_of_one_size():
    assert not signed(0).is_signed(Digest.of(b"another"), len(DATA))
    assert not signed(0).is_signed(DIGEST, len(DATA) + 1)


@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES), st.integers(0, 1 << 60))
def test_a_header_is_read_as_it_was_packed_or_refused(header, offset):
    try:
        segment = Segment.unpack(header, offset)
    except ValueError:
        return
    assert segment.pack() == header


@given(st.lists(st.integers(1, 2 * SEGMENT), max_size=8), st.integers(0, 3))
def test_segments_come_out_whole_however_the_stream_is_cut(cuts, first):
    start = first * SEGMENT
    wire = stream(start)
    assert len(wire) == length_on_wire(len(DATA), start)
    reader, found = SegmentReader(len(DATA), start), []
    for length in [*cuts, len(wire)]:
        found += reader.feed(wire[:length])
        wire = wire[length:]
    assert b"".join(data for _, data in found) == DATA[start:]
    assert all(segment.is_of(data) and segment.is_signed(DIGEST, len(DATA)) for segment, data in found)


@given(st.binary(max_size=3 * HEADER_BYTES), st.integers(0, 1000))
def test_anything_is_read_or_refused(data, size):
    try:
        found = list(SegmentReader(size, 0).feed(data))
    except ValueError:
        return
    assert sum(len(content) for _, content in found) <= size


def test_more_than_the_blob_has_is_refused():
    reader = SegmentReader(len(DATA), 0)
    assert len(list(reader.feed(stream()))) == 4
    with pytest.raises(ValueError, match="more than"):
        list(reader.feed(b"x"))


def test_a_stream_that_breaks_off_gives_whole_segments_only():
    assert len(list(SegmentReader(len(DATA), 0).feed(stream()[:-1]))) == 3


@given(st.integers(1, 1 << 40))
def test_a_segment_is_a_power_of_two_of_bytes_small_where_the_blob_is(size):
    step = segment_bytes(size)
    assert step & (step - 1) == 0
    assert 16 * 1024 <= step <= 128 * 1024
    assert step == 16 * 1024 or size // step >= 512


@given(st.integers(1, 1 << 40), st.data())
def test_every_byte_belongs_to_the_segment_that_begins_before_it(size, data):
    offset = data.draw(st.integers(0, size - 1))
    start = start_of(offset, size)
    assert start <= offset < end_of(start, size)
