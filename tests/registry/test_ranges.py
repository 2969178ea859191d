import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.registry.ranges import Span, entity_tag, is_unchanged, select

TAG = entity_tag("sha256:abc")
WHOLE = (200, {"Content-Length": "100"}, Span(0, 100))


def selected(method="GET", size=100, **headers):
    selection = select(method, {name.replace("_", "-"): value for name, value in headers.items()}, TAG, size)
    return selection.status, selection.headers, selection.span


def test_without_conditions_the_whole_is_sent():
    assert selected() == WHOLE


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
def test_a_range_selects_bytes_that_are_there(header, start, stop):
    headers = {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/100"}
    assert selected(Range=header) == (206, headers, Span(start, stop))


@pytest.mark.parametrize(
    "header",
    [
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
def test_what_is_no_single_range_selects_the_whole(header):
    assert selected(Range=header) == WHOLE


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(header):
    assert selected(Range=header) == (416, {"Content-Length": "0", "Content-Range": "bytes */100"}, None)


def test_an_empty_body_has_no_ranges():
    assert selected(size=0, Range="bytes=0-") == (200, {"Content-Length": "0"}, Span(0, 0))


def test_head_describes_the_whole():
    assert selected("HEAD", Range="bytes=0-1") == WHOLE


@pytest.mark.parametrize("tag", [f"W/{TAG}", '"x"', "Tue, 15 Nov 1994 12:45:26 GMT", "*"])
def test_a_range_counts_only_for_the_very_same_bytes(tag):
    assert selected(Range="bytes=0-1", If_Range=TAG)[0] == 206
    assert selected(Range="bytes=0-1", If_Range=tag) == WHOLE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_it_gets_nothing_range_or_not(method):
    assert selected(method, If_None_Match=TAG, Range="bytes=0-1") == (304, {}, None)


@given(st.text() | st.from_regex(r"bytes=[0-9]*-[0-9]*", fullmatch=True), st.integers(0, 2**62))
def test_any_range_header_selects_bytes_that_are_there_or_none(header, size):
    status, headers, span = selected(size=size, Range=header)
    if status == 416:
        assert span is None
    else:
        assert 0 <= span.start <= span.stop <= size
        assert headers["Content-Length"] == str(len(span))
        assert len(span) > 0 or size == 0


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", "*", f'"other", {TAG}', f'W/"a",W/{TAG}', f" {TAG} "])
def test_a_client_that_names_the_tag_has_it(header):
    assert is_unchanged(header, TAG)


@pytest.mark.parametrize("header", [None, "", '"other"', TAG.strip('"'), '"*"', f'"x{TAG}'])
def test_a_client_that_names_another_tag_does_not(header):
    assert not is_unchanged(header, TAG)


@given(st.text())
def test_no_other_text_names_the_tag(header):
    assert not is_unchanged(header, TAG) or header.strip() == "*" or TAG in header
