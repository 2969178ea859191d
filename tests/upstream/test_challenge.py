import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.upstream.challenge import Challenge, parse_challenges

words = st.from_regex(r"[A-Za-z][A-Za-z0-9!#$&'*+.^_`|~-]{0,10}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
challenges = st.builds(
    Challenge, words.map(str.lower), st.dictionaries(words.map(str.lower), values, min_size=1, max_size=3)
)


def written(challenge):
    quoted = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in challenge.parameters.items())
    return f"{challenge.scheme} " + ", ".join(f'{name}="{value}"' for name, value in quoted)


@given(st.lists(challenges, max_size=3))
def test_challenges_come_back_from_how_they_are_written(several):
    assert parse_challenges(", ".join(map(written, several))) == several


@given(st.text(max_size=200) | st.text('abBearerBasic="\\, \t', max_size=200))
def test_any_text_is_parsed_to_something(text):
    for challenge in parse_challenges(text):
        assert challenge.scheme == challenge.scheme.lower()


def test_a_hub_like_header_is_understood():
    (challenge,) = parse_challenges(
        'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull",'
        'error="insufficient_scope"'
    )
    assert challenge.scheme == "bearer"
    assert challenge.realm == "https://auth.example/token"
    assert challenge.parameters["scope"] == "repository:a/b:pull"
    assert challenge.error == "insufficient_scope"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [Challenge("basic")]),
        ("Negotiate, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ("Negotiate YWJj==, Basic", [Challenge("negotiate"), Challenge("basic")]),
        ('BASIC  REALM = "a b"', [Challenge("basic", {"realm": "a b"})]),
        ("Bearer realm=https://a.example/token,service=b", None),
        (', ,Basic realm="x",,', [Challenge("basic", {"realm": "x"})]),
        ('Basic realm="a", realm="b"', [Challenge("basic", {"realm": "a"})]),
        ('realm="a"', []),
        ('Basic realm="open, Bearer realm="x"', None),
        ("", []),
    ],
)
def test_what_registries_write_is_understood(header, expected):
    found = parse_challenges(header)
    if expected is None:
        assert found[0].scheme in {"basic", "bearer"}
    else:
        assert found == expected


def test_a_realm_without_quotes_is_a_url():
    assert parse_challenges("Bearer realm=https://a.example/token,service=b")[0].realm == "https://a.example/token"


def test_a_long_header_is_parsed_in_no_time():
    parse_challenges("Basic " * 20_000)
    parse_challenges('a="' * 20_000)
    parse_challenges("a=" + "\\" * 60_000)
