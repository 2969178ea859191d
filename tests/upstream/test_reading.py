import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.upstream.reading import merged, read_assignments, read_upstreams
from p2player.upstream.settings import UpstreamSettings

names = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){1,2}(:[0-9]{1,4})?", fullmatch=True).filter(
    lambda name: not name.endswith("docker.io")
)
urls = st.from_regex(
    r"https?://[a-z0-9]{1,8}(\.[a-z]{1,8}){1,2}(:[1-9][0-9]{0,3})?(/[a-z0-9]{1,8}){0,2}", fullmatch=True
)


def tables(text):
    return read_upstreams(tomllib.loads(text))


@given(st.lists(st.tuples(names, urls), max_size=5))
def test_name_and_url_come_back_and_mirrors_keep_their_order(pairs):
    found = {one.registry: one.urls for one in read_assignments([f"{name}={url}" for name, url in pairs])}
    wanted = {}
    for name, url in pairs:
        wanted.setdefault(name, {})[url] = None
    assert found == {name: tuple(found) for name, found in wanted.items()}


@given(st.text(max_size=80))
def test_any_text_is_an_upstream_or_an_invalid_config(text):
    try:
        (found,) = read_assignments([text])
    except InvalidConfig:
        return
    assert found.urls[0].startswith(("http://", "https://"))
    assert found.registry == found.registry.lower()


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)
keys = st.sampled_from(["url", "urls", "ca", "login", "proxy", "tag_ttl", "stale", "client_key"]) | st.text(max_size=10)


@given(json_like | st.dictionaries(names, st.dictionaries(keys, json_like, max_size=3), max_size=2))
def test_anything_is_upstreams_or_an_invalid_config(raw):
    try:
        found = read_upstreams(raw)
    except InvalidConfig:
        return
    assert all(one.urls and not one.public_only for one in found)


def test_a_table_says_everything_about_a_registry():
    (found,) = tables("""
        ["Registry.Corp:5000"]
        urls = ["https://a.corp", "http://b.corp:5000/v2/mirror/"]
        ca = "ca.pem"
        client_cert = "cert.pem"
        client_key = "key.pem"
        proxy = "http://user:word@proxy.corp:3128"
        login = "node"
        tag_ttl = 5
        access_ttl = 0.5
        stale = false
        stale_access = true
    """)
    assert found == UpstreamSettings(
        "registry.corp:5000",
        ("https://a.corp", "http://b.corp:5000/v2/mirror"),
        Path("ca.pem"),
        Path("cert.pem"),
        Path("key.pem"),
        "http://user:word@proxy.corp:3128",
        "node",
        5.0,
        0.5,
        False,
        True,
    )


@pytest.mark.parametrize("alias", ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"])
def test_all_names_of_docker_hub_are_one(alias):
    (found,) = tables(f'["{alias}"]\nlogin = "node"')
    assert (found.registry, found.urls) == ("docker.io", ("https://registry-1.docker.io",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("['a.example']\nurl = 'ftp://a'", "a.example: url: not a URL: 'ftp://a'"),
        ("['a.example']\nurl = 'https://'", "not a URL"),
        ("['a.example']\nurl = 'https://a b'", "not a URL"),
        ("['a.example']\nurl = 'https://a:99999'", "not a URL"),
        ("['a.example']\nurl = 'https://a?x'", "more than a place"),
        ("['a.example']\nurl = 'https://u:p@a'", "credentials in the URL"),
        ("['a.example']\nurl = 'https://a'\nurls = ['https://b']", "both url and urls"),
        ("['a.example']\nurls = []", "a list of URLs"),
        ("['a.example']\nurls = 'https://a'", "a list of URLs"),
        ("['a.example']\nlogin = 'anybody'", "login: not whose login counts"),
        ("['a.example']\ntag_ttl = -1", "tag_ttl: a number of seconds"),
        ("['a.example']\ntag_ttl = nan", "tag_ttl: a number of seconds"),
        ("['a.example']\ntag_ttl = true", "tag_ttl: a number of seconds"),
        ("['a.example']\nstale = 'yes'", "stale: true or false"),
        ("['a.example']\nproxy = 'socks5://a'", "proxy: not a proxy"),
        ("['a.example']\nclient_key = 'k'", "without its client_cert"),
        ("['a b']\nurl = 'https://a'", "not a registry name"),
        ("['docker.io']\n['index.docker.io']", "stands here twice"),
        ("'a.example' = 'https://a'", "a table is needed"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_place(text, message):
    with pytest.raises(InvalidConfig, match=re.escape(message)):
        tables(text)


@pytest.mark.parametrize(
    "text", ["", "docker.io", "=https://a", "a.example=", "a.example=b", "a.example=https://u:p@b"]
)
def test_what_is_no_name_and_url_is_refused(text):
    with pytest.raises(InvalidConfig):
        read_assignments([text])


def test_a_password_in_a_wrong_url_is_not_repeated():
    for wrong in ("https://user:pa55@", "ftp://user:pa55@host", "https://user:pa55@host"):
        with pytest.raises(InvalidConfig) as refused:
            read_assignments([f"a.example={wrong}"])
        assert "pa55" not in refused.value.message + refused.value.hint


def test_an_unknown_setting_is_refused_with_the_nearest_known_one():
    with pytest.raises(InvalidConfig) as refused:
        tables("['a.example']\ntag_tll = 3")
    assert refused.value.hint == "did you mean tag_ttl?"


def test_later_urls_overrule_earlier_ones_and_nothing_else():
    earlier = tables("['a.example']\nurl = 'https://a'\nlogin = 'node'\n['b.example']")
    later = read_assignments(["a.example=https://c", "d.example=https://d"])
    found = {one.registry: one for one in merged(earlier, later)}
    assert list(found) == ["a.example", "b.example", "d.example"]
    assert (found["a.example"].urls, found["a.example"].login) == (("https://c",), "node")
