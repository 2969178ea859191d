"""What clients of the registry endpoint send."""

import base64

from multidict import CIMultiDict

from p2player.counters import Counters
from p2player.errors import InvalidConfig, P2PlayerError
from p2player.oci.digest import Digest
from p2player.registry.askers import asker_of
from p2player.registry.errors import Refused
from p2player.registry.guard import Guard
from p2player.registry.listing import referrers_index, tags_page
from p2player.registry.names import RequestedName
from p2player.registry.negotiation import accepts
from p2player.registry.ranges import entity_tag, select
from p2player.registry.requests import BaseRequest, ReferrersRequest, TagsRequest, parse_request
from p2player.registry.tokens import TOKEN_HEADER, TokenFile, parse_tokens
from tests.fuzz.scratch import as_file
from tests.fuzz.target import Target, as_pairs, as_text

_DIGEST = Digest.of(b"")
_SIZE = 1000
_TOKEN = b"0123456789abcdef0123"
_TAG = entity_tag(_DIGEST)


def _request(data: bytes) -> None:
    line, _, query = data.partition(b"\n")
    method, _, path = as_text(line).partition(" ")
    asked = parse_request(method, path, dict(as_pairs(query)))
    if isinstance(asked, BaseRequest):
        return
    assert isinstance(asked.name, RequestedName)
    assert str(asked.name.repository).isascii()
    if isinstance(asked, TagsRequest):
        page = tags_page(asked, ["1", "2", "3"])
        assert page.link is None or page.link.isascii()
    if isinstance(asked, ReferrersRequest):
        assert referrers_index(asked, [])


def _range(data: bytes) -> None:
    method, _, headers = data.partition(b"\n")
    selection = select(as_text(method), dict(as_pairs(headers)), _TAG, _SIZE)
    assert selection.status in {200, 206, 304, 416}
    if selection.span is not None:
        assert 0 <= selection.span.start <= selection.span.stop <= _SIZE
        assert selection.headers["Content-Length"] == str(len(selection.span))


def _accept(data: bytes) -> None:
    accepts([as_text(line) for line in data.split(b"\n")], "application/vnd.oci.image.manifest.v1+json")


def _authorization(data: bytes) -> None:
    asker_of([as_text(line) for line in data.split(b"\n")])


def _tokens(data: bytes) -> None:
    tokens = parse_tokens(data, "input")
    assert tokens
    assert parse_tokens(b"\n".join(tokens), "input") == tokens


def _guard(data: bytes) -> None:
    guard = Guard(TokenFile(as_file(_TOKEN)), Counters(), clock=lambda: 0.0)
    headers = CIMultiDict(as_pairs(data))
    left = guard.admit(headers, "192.0.2.1")
    shown, logins = headers.getall(TOKEN_HEADER, []), headers.getall("Authorization", [])
    # Nobody comes in without it, and where it stood in the place of a login it goes no further.
    assert shown == [_TOKEN.decode()] or (not shown and logins[0].lower().startswith("basic"))
    assert list(left) == (logins if shown else [])


TARGETS = (
    Target(
        "endpoint.request",
        _request,
        (P2PlayerError, Refused),
        (
            b"GET /v2/",
            b"GET /v2/library/app/manifests/1\nns: docker.io",
            f"HEAD /v2/ghcr.io/org/app/blobs/{_DIGEST}".encode(),
            b"GET /v2/app/tags/list\nn: 2\nlast: 1",
            f"GET /v2/registry.example__5000/app/referrers/{_DIGEST}\nartifactType: a/b".encode(),
        ),
    ),
    Target(
        "endpoint.range",
        _range,
        (),
        (
            b"GET\nRange: bytes=0-99",
            b"GET\nRange: bytes=-5",
            b"GET\nRange: bytes=2000-\nIf-Range: " + _TAG.encode(),
            b"HEAD\nIf-None-Match: W/" + _TAG.encode(),
        ),
    ),
    Target("endpoint.accept", _accept, (), (b"application/vnd.oci.image.index.v1+json, */*;q=0.1",)),
    Target("endpoint.tokens", _tokens, (InvalidConfig,), (b"# of node 1\n0123456789abcdef\n", _TOKEN)),
    Target(
        "endpoint.guard",
        _guard,
        (Refused,),
        (
            TOKEN_HEADER.encode() + b": " + _TOKEN + b"\nAuthorization: Bearer x",
            b"Authorization: Basic " + base64.b64encode(b"any:" + _TOKEN),
        ),
    ),
    Target("endpoint.authorization", _authorization, (Refused,), (b"Basic YTpi", b"Bearer x.y", b"Basic Og==")),
)
