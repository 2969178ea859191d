import base64
import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.oci.reference import Repository
from p2player.upstream.credentials import (
    AuthFile,
    Credential,
    Credentials,
    auth_files,
    parse_helper_answer,
)

APP = Repository("registry.test", "team/app")
HUB = Repository("docker.io", "library/alpine")


def auth(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def stored(home):
    """Return a function that writes docker's file, or another, and returns what is stored then."""

    def write(content, path=".docker/config.json", **environ):
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        environ = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", **environ}
        return Credentials(environ)

    return write


@pytest.fixture
def helper(home):
    """Return a function that puts a credential helper into PATH; it writes down what it was asked."""

    def install(name, answer, code=0):
        path = home / f"bin/docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho \"$1 $(cat)\" >> {home}/asked\necho '{answer}'\nexit {code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def asked(home):
    return (home / "asked").read_text().splitlines() if (home / "asked").exists() else []


async def test_a_login_is_found_by_its_registry(stored):
    credentials = stored({"auths": {"registry.test": auth("alice", "pass:word")}})
    found = await credentials.find(APP)
    assert (found.user, found.password) == ("alice", "pass:word")
    assert base64.b64decode(found.authorization.removeprefix("Basic ")) == b"alice:pass:word"
    assert credentials.has("registry.test")


async def test_there_is_none_for_another_registry(stored):
    credentials = stored({"auths": {"registry.test": auth("alice", "x"), "registry.test:5000": {}}})
    for name in ("other.test", "registry.test:5000", "test"):
        assert not credentials.has(name)
        assert await credentials.find(Repository(name, "app")) is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io", "https://docker.io"]
)
async def test_docker_hub_is_found_by_each_of_its_names(stored, key):
    credentials = stored({"auths": {key: auth("alice", "x")}})
    assert credentials.has("docker.io")
    assert (await credentials.find(HUB)).user == "alice"


@pytest.mark.parametrize(
    "key", ["https://registry.test", "http://registry.test/v2/", "registry.test/v1/", "Registry.Test"]
)
async def test_an_address_stands_for_its_registry(stored, key):
    assert (await stored({"auths": {key: auth("alice", "x")}}).find(APP)).user == "alice"


async def test_the_longest_path_wins(stored):
    credentials = stored(
        {
            "auths": {
                "registry.test": auth("all", "x"),
                "registry.test/team": auth("team", "x"),
                "registry.test/team/app": auth("app", "x"),
                "registry.test/te": auth("none", "x"),
            }
        }
    )
    found = [(await credentials.find(Repository("registry.test", path))).user for path in ("a", "team/b", "team/app")]
    assert found == ["all", "team", "app"]


async def test_an_identity_token_takes_the_place_of_a_password(stored):
    found = await stored({"auths": {"registry.test": {**auth("u", ""), "identitytoken": "it"}}}).find(APP)
    assert (found.identity_token, found.authorization) == ("it", "")


async def test_user_and_password_may_stand_in_plain(stored):
    found = await stored({"auths": {"registry.test": {"username": "alice", "password": "x"}}}).find(APP)
    assert (found.user, found.password) == ("alice", "x")


async def test_podmans_file_comes_before_dockers(stored, home):
    stored({"auths": {"registry.test": auth("docker", "x"), "other.test": auth("docker", "x")}})
    runtime = {"XDG_RUNTIME_DIR": str(home / "run")}
    credentials = stored({"auths": {"registry.test": auth("podman", "x")}}, "run/containers/auth.json", **runtime)
    assert (await credentials.find(APP)).user == "podman"
    assert (await credentials.find(Repository("other.test", "a"))).user == "docker"


def test_files_are_looked_for_where_docker_and_podman_keep_them(home):
    environ = {"HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert [str(path) for path in auth_files(environ)] == [
        "/run/user/1/containers/auth.json",
        f"/run/containers/{os.geteuid()}/auth.json",
        "/home/a/.config/containers/auth.json",
        "/home/a/.docker/config.json",
    ]
    environ |= {"REGISTRY_AUTH_FILE": "/etc/auth.json", "DOCKER_CONFIG": "/etc/docker"}
    assert [str(path) for path in auth_files(environ)] == ["/etc/auth.json", "/etc/docker/config.json"]


async def test_a_file_that_changes_is_read_again(stored, home):
    credentials = stored({"auths": {"registry.test": auth("alice", "x")}})
    assert credentials.has("registry.test")
    (home / ".docker/config.json").unlink()
    assert not credentials.has("registry.test")
    stored({"auths": {"registry.test": auth("barbara", "x")}})
    assert (await credentials.find(APP)).user == "barbara"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"auths": []}', '{"auths": {"registry.test": 3}}', '{"credHelpers": {"a": 1}}', "\ufeff{}"],
)
async def test_a_file_that_cannot_be_read_gives_no_login_and_a_warning(stored, caplog, content):
    credentials = stored(content)
    assert await credentials.find(APP) is None
    assert not credentials.has("registry.test")
    assert "config.json" in caplog.text
    assert len(caplog.records) == 1


async def test_a_login_that_cannot_be_read_does_not_hide_others(stored, caplog):
    credentials = stored({"auths": {"bad.test": {"auth": "s3cret!"}, "registry.test": auth("alice", "x")}})
    assert (await credentials.find(APP)).user == "alice"
    assert "bad.test" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_helper_is_asked_for_its_registry_and_not_again_at_once(stored, helper, home):
    helper("corp", '{"ServerURL":"registry.test","Username":"alice","Secret":"x"}')
    credentials = stored({"credHelpers": {"registry.test": "corp"}})
    assert credentials.has("registry.test")
    for _ in range(2):
        assert (await credentials.find(APP)).password == "x"
    assert await credentials.find(Repository("other.test", "app")) is None
    assert asked(home) == ["get registry.test"]


async def test_the_store_is_asked_for_the_registries_that_docker_logged_in_to(stored, helper, home):
    helper("store", '{"Username":"<token>","Secret":"it"}')
    credentials = stored({"auths": {"https://index.docker.io/v1/": {}}, "credsStore": "store"})
    assert (await credentials.find(HUB)).identity_token == "it"
    assert await credentials.find(APP) is None
    assert asked(home) == ["get https://index.docker.io/v1/"]


@pytest.mark.parametrize(("answer", "code"), [("credentials not found", 1), ("nonsense", 0), ('{"Username":"a"}', 0)])
async def test_a_helper_that_knows_nothing_gives_no_login(stored, helper, answer, code):
    helper("corp", answer, code)
    assert await stored({"credHelpers": {"registry.test": "corp"}}).find(APP) is None


async def test_a_helper_that_is_not_there_is_said_to_be_so(stored, caplog):
    assert await stored({"credHelpers": {"registry.test": "nosuch"}}).find(APP) is None
    assert "docker-credential-nosuch" in caplog.text


async def test_a_helper_is_a_plain_name_in_path(stored, home):
    credentials = stored({"credHelpers": {"registry.test": "x/../../../bin/sh"}})
    assert not credentials.has("registry.test")
    assert await credentials.find(APP) is None


def test_no_password_shows_in_a_text():
    assert "s3cret" not in repr(Credential("u", "s3cret", "s3cret"))


members = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auths", "auth", "credHelpers", "credsStore", "identitytoken", "a.test", "username"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(members | st.binary(max_size=60))
def test_any_file_is_read_or_an_invalid_config(content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        found = AuthFile.parse(raw, "config.json")
    except InvalidConfig:
        return
    assert all(isinstance(one, Credential) for one in found.logins.values())


@given(members | st.binary(max_size=60))
def test_any_answer_of_a_helper_is_a_login_or_none(content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert isinstance(parse_helper_answer(raw), Credential | None)


@pytest.mark.parametrize("half", [b"\xed\xa0\x80", b"\\ud800"])
def test_a_login_that_no_header_can_carry_is_none(half):
    assert parse_helper_answer(b'{"Username": "' + half + b'", "Secret": "s"}') is None
    assert parse_helper_answer(b'{"Username": "u", "Secret": "' + half + b'"}') is None
