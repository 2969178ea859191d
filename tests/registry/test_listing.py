import json
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.mediatypes import OCI_INDEX
from p2player.registry.listing import referrers_index, tags_page
from p2player.registry.names import RequestedName
from p2player.registry.requests import ReferrersRequest, TagsRequest, parse_request

NAME = RequestedName.parse("team/app", "ghcr.io")
TAGS = ["b", "a", "B", "1.10", "1.9"]


def names(page):
    return json.loads(page.body)["tags"]


def test_tags_come_in_byte_order_with_the_name_as_asked():
    page = tags_page(TagsRequest(NAME), TAGS)
    assert json.loads(page.body) == {"name": "team/app", "tags": ["1.10", "1.9", "B", "a", "b"]}
    assert page.link is None


def test_a_page_links_to_the_next():
    page = tags_page(TagsRequest(NAME, 2), TAGS)
    assert names(page) == ["1.10", "1.9"]
    assert page.link == '</v2/team/app/tags/list?n=2&last=1.9&ns=ghcr.io>; rel="next"'


def test_the_last_page_links_nowhere():
    assert tags_page(TagsRequest(NAME, 2, "B"), TAGS).link is None
    assert names(tags_page(TagsRequest(NAME, 2, "B"), TAGS)) == ["a", "b"]


def test_no_tags_asked_for_is_an_empty_page_without_link():
    page = tags_page(TagsRequest(NAME, 0), TAGS)
    assert names(page) == []
    assert page.link is None


def test_last_need_not_be_a_tag_that_exists():
    assert names(tags_page(TagsRequest(NAME, last="1.95"), TAGS)) == ["B", "a", "b"]


@given(st.sets(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)), st.integers(1, 5))
def test_following_the_links_gives_each_tag_once(tags, count):
    seen = []
    asked = TagsRequest(NAME, count)
    while True:
        page = tags_page(asked, tags)
        seen += names(page)
        if page.link is None:
            break
        url = urlsplit(page.link.removeprefix("<").partition(">")[0])
        asked = parse_request("GET", url.path, {key: values[0] for key, values in parse_qs(url.query).items()})
    assert seen == sorted(tags)


def test_referrers_are_an_index_of_the_type_asked_for(image, make_referrer):
    sbom, signature = make_referrer(image, "a/sbom"), make_referrer(image, "a/signature")
    entries = [sbom.referrer, signature.referrer]
    everything = json.loads(referrers_index(ReferrersRequest(NAME, image.digest), entries))
    assert everything["mediaType"] == OCI_INDEX
    assert [entry["artifactType"] for entry in everything["manifests"]] == ["a/sbom", "a/signature"]
    assert everything["manifests"][0]["annotations"] == {"made.by": "test"}
    some = json.loads(referrers_index(ReferrersRequest(NAME, image.digest, "a/sbom"), entries))
    assert [entry["digest"] for entry in some["manifests"]] == [str(sbom.digest)]
