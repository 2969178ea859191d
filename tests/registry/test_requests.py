import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidDigest, InvalidReference, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.registry.errors import Refused
from p2player.registry.names import RequestedName
from p2player.registry.requests import (
    BaseRequest,
    BlobRequest,
    ManifestRequest,
    ReferrersRequest,
    TagsRequest,
    parse_request,
)

DIGEST = Digest.of(b"blob")
APP = RequestedName.parse("team/app", None)
ELSEWHERE = RequestedName.parse("team/app", "ghcr.io")


@pytest.mark.parametrize(
    ("path", "query", "request_"),
    [
        ("/v2/", {}, BaseRequest()),
        ("/v2", {}, BaseRequest()),
        ("/v2/", {"ns": "ghcr.io"}, BaseRequest()),
        ("/v2/team/app/manifests/1.0", {}, ManifestRequest(APP, "1.0")),
        ("/v2/team/app/manifests/1.0", {"ns": "ghcr.io"}, ManifestRequest(ELSEWHERE, "1.0")),
        (f"/v2/team/app/manifests/{DIGEST}", {}, ManifestRequest(APP, DIGEST)),
        (f"/v2/team/app/blobs/{DIGEST}", {}, BlobRequest(APP, DIGEST)),
        ("/v2/team/app/tags/list", {}, TagsRequest(APP)),
        ("/v2/team/app/tags/list", {"n": "10", "last": "1.0"}, TagsRequest(APP, 10, "1.0")),
        ("/v2/team/app/tags/list", {"n": "0"}, TagsRequest(APP, 0)),
        (f"/v2/team/app/referrers/{DIGEST}", {}, ReferrersRequest(APP, DIGEST)),
        (f"/v2/team/app/referrers/{DIGEST}", {"artifactType": "a/b"}, ReferrersRequest(APP, DIGEST, "a/b")),
        (
            "/v2/manifests/tags/list/manifests/list",
            {},
            ManifestRequest(RequestedName.parse("manifests/tags/list", None), "list"),
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_path_of_the_specification_is_read(method, path, query, request_):
    assert parse_request(method, path, query) == request_


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get", ""])
@pytest.mark.parametrize("path", ["/v2/", "/v2/app/blobs/uploads/", "/v2/app/manifests/1", "/elsewhere"])
def test_what_is_no_reading_is_refused(method, path):
    with pytest.raises(Refused) as caught:
        parse_request(method, path, {})
    assert caught.value.status == 405
    assert caught.value.headers == {"Allow": "GET, HEAD"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1/",
        "/v2/_catalog",
        "/v2/app",
        "/v2/app/tags/other",
        "/v2//blobs",
        "/v2/manifests/1",
        "/v3/app/tags/list",
    ],
)
def test_an_unknown_path_is_not_found(path):
    with pytest.raises(Refused) as caught:
        parse_request("GET", path, {})
    assert caught.value.status == 404


@pytest.mark.parametrize("text", ["", ".hidden", "a" * 129, "ä", "tag!"])
def test_a_tag_nothing_can_have_is_not_found(text):
    with pytest.raises(ReferenceNotFound):
        parse_request("GET", f"/v2/app/manifests/{text}", {})


@pytest.mark.parametrize("kind", ["manifests", "blobs", "referrers"])
@pytest.mark.parametrize("text", ["sha256:", "sha256:xyz", "md5:d41d8cd98f00b204e9800998ecf8427e", ":"])
def test_what_is_no_digest_is_refused(kind, text):
    with pytest.raises(InvalidDigest):
        parse_request("GET", f"/v2/app/{kind}/{text}", {})


@pytest.mark.parametrize("path", ["App", "-", "a//b", "..", "a/../b"])
def test_what_is_no_name_is_refused(path):
    with pytest.raises(InvalidReference):
        parse_request("GET", f"/v2/{path}/manifests/1", {})


@pytest.mark.parametrize("n", ["", "-1", "x", "1e3", "٣", "9" * 5000])
def test_what_is_no_number_of_tags_is_refused(n):
    with pytest.raises(Refused) as caught:
        parse_request("GET", "/v2/app/tags/list", {"n": n})
    assert caught.value.status == 400


@given(
    st.sampled_from(["GET", "HEAD", "PUT"]),
    st.lists(st.text(max_size=8) | st.sampled_from(["v2", "app", "manifests", "blobs", "tags", "list", str(DIGEST)])),
    st.dictionaries(st.sampled_from(["n", "last", "ns", "artifactType"]), st.text()),
)
def test_any_request_is_understood_or_refused(method, parts, query):
    try:
        asked = parse_request(method, "/" + "/".join(parts), query)
    except (Refused, InvalidReference, InvalidDigest, ReferenceNotFound):
        return
    assert method != "PUT"
    assert parts[0] == "v2"
    assert isinstance(asked, BaseRequest) or asked.name.path in "/".join(parts)
