from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.sizes import parse_size, size_text


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("512KiB", 512 << 10), ("64 MiB", 64 << 20), ("1GiB", 1 << 30)])
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1GB", "1.5GiB", "GiB", "1gib", "1GiB "])
def test_other_text_is_no_size(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(st.text())
def test_any_text_is_a_size_or_a_value_error(text):
    with suppress(ValueError):
        assert parse_size(text) > 0


@given(st.integers(1, 10**15))
def test_a_size_is_read_back_from_its_text(size):
    assert parse_size(size_text(size).removesuffix(" bytes")) == size
