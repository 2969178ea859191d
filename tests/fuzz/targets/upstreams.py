"""What registries and token servers answer."""

from datetime import UTC, datetime

from yarl import URL

from p2player.oci.digest import Digest
from p2player.oci.reference import is_tag
from p2player.upstream.addresses import is_address, is_public
from p2player.upstream.challenge import parse_challenges
from p2player.upstream.headers import ContentRange, next_link, parse_retry_after
from p2player.upstream.listing import Page, parse_referrers, parse_tags
from p2player.upstream.reasons import NoAnswer
from p2player.upstream.tokens import parse_token
from p2player.upstream.transport import follow
from tests.fuzz.shapes import JSON
from tests.fuzz.target import Target, as_text

_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_HERE = URL("https://registry.example/v2/app/tags/list?n=2")


def _challenge(data: bytes) -> None:
    for challenge in parse_challenges(as_text(data)):
        assert challenge.scheme
        assert challenge.scheme == challenge.scheme.lower()
        assert isinstance(challenge.realm, str)


def _token(data: bytes) -> None:
    token = parse_token(data)
    assert token.life > 0
    assert token.authorization.isascii()
    assert token.authorization.isprintable()


def _content_range(data: bytes) -> None:
    found = ContentRange.parse(as_text(data))
    if found is not None and found.start is not None:
        assert found.stop is not None
        assert 0 <= found.start < found.stop


def _link(data: bytes) -> None:
    next_link(as_text(data))


def _next_page(data: bytes) -> None:
    path = Page(_HERE, as_text(data), b"").next_path()
    assert path is None or path.startswith("/")


def _location(data: bytes) -> None:
    assert follow(_HERE, as_text(data)).scheme in {"http", "https"}


def _retry_after(data: bytes) -> None:
    seconds = parse_retry_after(as_text(data), _NOW)
    assert seconds is None or seconds >= 0


def _tags(data: bytes) -> None:
    assert all(map(is_tag, parse_tags(data)))


def _referrers(data: bytes) -> None:
    assert all(entry.size >= 0 for entry in parse_referrers(data))


def _address(data: bytes) -> None:
    text = as_text(data)
    assert is_address(text) or not is_public(text)


TARGETS = (
    Target(
        "upstream.challenge",
        _challenge,
        (),
        (
            b'Bearer realm="https://auth.example/token",service="registry",scope="repository:app:pull"',
            b'Basic realm="a \\"b\\"", Negotiate YTpi==, Digest realm=x',
        ),
    ),
    Target(
        "upstream.token",
        _token,
        (NoAnswer,),
        (b'{"token": "x.y", "expires_in": 300}', b'{"access_token": "z"}'),
        shape=JSON,
    ),
    Target("upstream.content_range", _content_range, (), (b"bytes 0-99/1000", b"bytes */5", b"bytes 5-9/*")),
    Target("upstream.link", _link, (), (b'</v2/app/tags/list?last=b>; rel="next", <x>; title="a,b"; rel=prev',)),
    Target("upstream.next_page", _next_page, (NoAnswer,), (b'</v2/app/tags/list?last=b>; rel="next"', b"")),
    Target("upstream.location", _location, (NoAnswer,), (b"https://cdn.example/a?b=c", b"../x", b"//cdn.example/")),
    Target("upstream.retry_after", _retry_after, (), (b"120", b"Wed, 21 Oct 2037 07:28:00 GMT")),
    Target("upstream.tags", _tags, (NoAnswer,), (b'{"name": "app", "tags": ["1", "latest"]}',), shape=JSON),
    Target(
        "upstream.referrers",
        _referrers,
        (NoAnswer,),
        (f'{{"manifests": [{{"mediaType": "a/b", "digest": "{Digest.of(b"")}", "size": 3}}]}}'.encode(),),
        shape=JSON,
    ),
    Target("upstream.address", _address, (), (b"10.0.0.1", b"::ffff:1.2.3.4", b"2002:102:304::", b"fe80::1%eth0")),
)
