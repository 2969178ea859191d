import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from p2player.upstream.listing import MAX_LIST, Page, all_pages, parse_referrers, parse_tags
from p2player.upstream.reasons import NoAnswer

HERE = URL("https://registry.test/v2/app/tags/list")


async def test_pages_are_followed_to_the_last_with_what_is_left_of_the_limit():
    asked = []

    async def read(path, limit):
        asked.append((path, limit))
        link = '</v2/app/tags/list?last=b>; rel="next"' if len(asked) == 1 else ""
        return Page(HERE, link, b"12345")

    assert await all_pages(read, "tags/list?n=1000") == [b"12345", b"12345"]
    assert asked == [("tags/list?n=1000", MAX_LIST), ("/v2/app/tags/list?last=b", MAX_LIST - 5)]


async def test_no_list_is_not_an_empty_one():
    async def read(path, limit):
        return None

    assert await all_pages(read, "tags/list") is None


@pytest.mark.parametrize("target", ["https://other.test/x", "http://registry.test/x", "//other.test/x", "ftp://a/"])
async def test_a_list_that_goes_on_elsewhere_is_not_followed(target):
    async def read(path, limit):
        return Page(HERE, f"<{target}>; rel=next", b"")

    with pytest.raises(NoAnswer):
        await all_pages(read, "tags/list")


async def test_a_list_without_end_is_given_up():
    async def read(path, limit):
        return Page(HERE, "<?last=a>; rel=next", b"")

    with pytest.raises(NoAnswer, match="pages"):
        await all_pages(read, "tags/list")


def test_tags_that_are_none_are_left_out():
    assert parse_tags(b'{"name": "app", "tags": ["1", "../x", "", "latest"]}') == ["1", "latest"]
    assert parse_tags(b'{"name": "app", "tags": null}') == []


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tags", "manifests", "digest", "size", "mediaType"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("parse", [parse_tags, parse_referrers])
@given(content=anything | st.binary(max_size=40))
def test_any_answer_is_a_list_or_none(parse, content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with suppress(NoAnswer):
        assert isinstance(parse(raw), list)
