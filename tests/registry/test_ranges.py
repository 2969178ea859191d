import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.registry.ranges import (
    RangeNotSatisfiable,
    Span,
    entity_tag,
    is_unchanged,
    range_applies,
    requested_span,
)

TAG = entity_tag("sha256:abc")


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 100),
        ("bytes=10-19", 10, 20),
        ("bytes=99-", 99, 100),
        ("bytes=50-1000", 50, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-1000", 0, 100),
        ("Bytes=1-2", 1, 3),
        (" bytes=1-2 ", 1, 3),
    ],
)
def test_a_range_names_bytes_that_are_there(header, start, stop):
    assert requested_span(header, 100) == Span(start, stop, 100)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "items=0-1",
        "bytes=0-1-2",
        "bytes=\u0660-",
    ],
)
def test_what_is_no_single_range_asks_for_the_whole(header):
    assert requested_span(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header):
    with pytest.raises(RangeNotSatisfiable):
        requested_span(header, 100)


def test_an_empty_body_has_no_ranges():
    assert requested_span("bytes=0-", 0) is None


def test_content_range_counts_inclusively():
    assert Span(10, 20, 100).content_range == "bytes 10-19/100"
    assert len(Span(10, 20, 100)) == 10


@given(st.text() | st.from_regex(r"bytes=[0-9]*-[0-9]*", fullmatch=True), st.integers(0, 2**62))
def test_any_header_asks_for_bytes_that_are_there_or_none(header, size):
    try:
        span = requested_span(header, size)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= span.size == size


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", "*", f'"other", {TAG}', f'W/"a",W/{TAG}', f" {TAG} "])
def test_a_client_that_names_the_tag_has_it(header):
    assert is_unchanged(header, TAG)


@pytest.mark.parametrize("header", [None, "", '"other"', TAG.strip('"'), '"*"', f'"x{TAG}'])
def test_a_client_that_names_another_tag_does_not(header):
    assert not is_unchanged(header, TAG)


@given(st.text())
def test_no_other_text_names_the_tag(header):
    assert not is_unchanged(header, TAG) or header.strip() == "*" or TAG in header


@pytest.mark.parametrize(
    ("header", "applies"),
    [(None, True), (TAG, True), (f"W/{TAG}", False), ('"x"', False), ("Tue, 15 Nov 1994 12:45:26 GMT", False)],
)
def test_a_range_counts_only_for_the_very_same_bytes(header, applies):
    assert range_applies(header, TAG) is applies
