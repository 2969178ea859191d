from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.upstream.headers import ContentRange, next_link, parse_retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
sizes = st.integers(0, 10**12)


@given(sizes, st.integers(1, 10**9), sizes)
def test_a_range_comes_back_from_how_it_is_written(start, length, more):
    total = start + length + more
    assert ContentRange.parse(f"bytes {start}-{start + length - 1}/{total}") == ContentRange(
        start, start + length, total
    )


@given(st.text(max_size=60) | st.from_regex(r"bytes [0-9*-]{1,20}/[0-9*]{1,5}", fullmatch=True))
def test_any_text_is_a_sound_range_or_none(text):
    found = ContentRange.parse(text)
    if found is not None and found.start is not None:
        assert 0 <= found.start < found.stop
        assert found.total is None or found.stop <= found.total


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("bytes 5-9/*", ContentRange(5, 10, None)),
        ("bytes */10", ContentRange(None, None, 10)),
        ("Bytes  0-0/1", ContentRange(0, 1, 1)),
        ("bytes 9-5/10", None),
        ("bytes 0-10/10", None),
        ("items 0-9/10", None),
        ("bytes 0-٣/10", None),
        ("bytes=0-9/10", None),
        ("", None),
    ],
)
def test_only_a_range_that_can_be_is_one(text, expected):
    assert ContentRange.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('</v2/a/tags/list?n=2&last=b>; rel="next"', "/v2/a/tags/list?n=2&last=b"),
        ("</a>; rel=next", "/a"),
        ('</a>; rel="prev", </b>; title="x, y"; rel="next"', "/b"),
        ('</a>;REL="first Next"', "/a"),
        ("</a>", None),
        ('</a>; rel="nextish"', None),
        ("", None),
        ('rel="next"', None),
    ],
)
def test_the_next_page_is_found(text, target):
    assert next_link(text) == target


@given(st.text(max_size=200) | st.text('<>;=" relnxt,/', max_size=200))
def test_any_text_is_a_link_or_none(text):
    assert next_link(text) is None or "next" in text.lower()


@given(st.integers(0, 10**9))
def test_seconds_to_wait_come_back(seconds):
    assert parse_retry_after(str(seconds)[:9], NOW) == float(str(seconds)[:9])


@given(st.integers(-(10**6), 10**6))
def test_a_date_to_wait_for_is_seconds_from_now(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, NOW) == max(0, seconds)


@given(st.text(max_size=60))
def test_any_text_is_a_time_to_wait_or_none(text):
    found = parse_retry_after(text, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "inf", "1" * 30, "Fri, 99 Foo 2026"])
def test_what_is_no_time_is_none(text):
    assert parse_retry_after(text, NOW) is None
