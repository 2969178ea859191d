import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from p2player.upstream.reasons import NoAnswer
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.tokens import Refused, Token, TokenRequest, Tokens, parse_token

SETTINGS = UpstreamSettings("registry.test", ("https://registry.test",))
REQUEST = TokenRequest(SETTINGS, URL("https://auth.test/token?a=b"), "registry.test", "repository:app:pull")


def a_request(scope="repository:app:pull", **login):
    return TokenRequest(SETTINGS, REQUEST.realm, REQUEST.service, scope, **login)


class Server:
    """Gives a new token each time, after a second."""

    def __init__(self, life=300.0):
        self.life = life
        self.asked = 0
        self.failure = None

    async def __call__(self, request):
        self.asked += 1
        number = self.asked
        await asyncio.sleep(1)
        if self.failure:
            raise self.failure
        return Token(f"t{number}", self.life)


async def test_a_token_is_asked_for_once_by_all_who_need_it_at_once():
    server = Server()
    tokens = Tokens(server)
    found = await asyncio.gather(*(tokens.get(REQUEST) for _ in range(5)))
    assert ({token.value for token in found}, server.asked) == ({"t1"}, 1)


async def test_a_token_is_kept_while_it_is_good_and_renewed_before_it_ends():
    server = Server(life=60)
    tokens = Tokens(server)
    await tokens.get(REQUEST)
    await asyncio.sleep(48)
    assert (await tokens.get(REQUEST)).value == "t1"
    await asyncio.sleep(1.5)
    assert (await tokens.get(REQUEST)).value == "t2"


async def test_a_short_token_is_of_use_for_most_of_its_life():
    server = Server(life=8)
    tokens = Tokens(server)
    await tokens.get(REQUEST)
    await asyncio.sleep(4)
    assert (await tokens.get(REQUEST)).value == "t1"


async def test_a_token_that_was_refused_is_replaced():
    server = Server()
    tokens = Tokens(server)
    await tokens.get(REQUEST)
    found = await asyncio.gather(*(tokens.get(REQUEST, fresh=True) for _ in range(3)))
    assert ({token.value for token in found}, server.asked) == ({"t2"}, 2)


async def test_each_scope_and_each_login_has_a_token_of_its_own():
    server = Server()
    tokens = Tokens(server)
    requests = [
        REQUEST,
        a_request("repository:other:pull"),
        a_request(authorization="Basic a"),
        a_request(authorization="Basic b"),
        a_request(identity_token="Basic a"),
    ]
    assert len({(await tokens.get(request)).value for request in requests}) == len(requests)


async def test_who_hangs_up_does_not_take_the_token_from_others():
    server = Server()
    tokens = Tokens(server)
    first = asyncio.get_running_loop().create_task(tokens.get(REQUEST))
    await asyncio.sleep(0.5)
    second = asyncio.get_running_loop().create_task(tokens.get(REQUEST))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).value == "t1"


@pytest.mark.parametrize("failure", [Refused(), NoAnswer("down")])
async def test_a_failure_goes_to_all_who_wait_and_is_not_kept(failure):
    server = Server()
    tokens = Tokens(server)
    server.failure = failure
    found = await asyncio.gather(*(tokens.get(REQUEST) for _ in range(2)), return_exceptions=True)
    assert found == [failure, failure]
    server.failure = None
    assert (await tokens.get(REQUEST)).value == "t2"


async def test_closing_ends_what_is_being_asked():
    tokens = Tokens(Server())
    waiting = asyncio.get_running_loop().create_task(tokens.get(REQUEST))
    await asyncio.sleep(0.5)
    await tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_the_realm_keeps_its_own_query():
    assert REQUEST.url == URL("https://auth.test/token?a=b&service=registry.test&scope=repository:app:pull")


def test_no_credential_shows_in_its_text():
    request = a_request(authorization="Basic s3cret", identity_token="t0ken")
    assert "s3cret" not in repr(request) + str(request.key)
    assert "t0ken" not in repr(request) + str(request.key)
    assert "s3cret" not in repr(Token("s3cret", 1))


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        ({"token": "a"}, Token("a", 60)),
        ({"access_token": "a", "expires_in": 5}, Token("a", 5)),
        ({"token": "a", "access_token": "b", "expires_in": None}, Token("a", 60)),
        ({"token": "a", "expires_in": 0}, Token("a", 60)),
        ({"token": "a", "expires_in": 10**12}, Token("a", 24 * 3600)),
    ],
)
def test_tokens_are_read_as_servers_write_them(answer, token):
    assert parse_token(json.dumps(answer).encode()) == token


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"token": 3}', b'{"token": ""}', b'{"token": "a\\nb"}', b'{"token":"a","expires_in":"x"}'],
)
def test_what_is_no_token_is_refused(raw):
    with pytest.raises(NoAnswer):
        parse_token(raw)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["token", "access_token", "expires_in"]), st.text(max_size=5) | st.integers() | st.none()
    ).map(lambda members: json.dumps(members).encode())
)
def test_any_answer_is_a_token_or_none(raw):
    try:
        token = parse_token(raw)
    except NoAnswer:
        return
    assert token.value.isprintable()
    assert 0 < token.life <= 24 * 3600
