import asyncio
import json

import pytest
from aiohttp import web

from p2player.errors import AccessDenied, LoginRequired, RateLimited, UpstreamUnreachable
from p2player.oci.reference import Repository
from p2player.upstream.login import Place
from p2player.upstream.memory import MemoryRegistry
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

NAME = "registry.test"
APP = Repository(NAME, "team/app")
OTHER = Repository(NAME, "team/other")
ALICE = Login("Basic YWxpY2U6c2VjcmV0")
BOB = Login("Basic Ym9iOmhpZGRlbg==")


@pytest.fixture
def held():
    held = MemoryRegistry()
    (held.digest,) = held.put(APP, b"blob")
    held.put(OTHER, b"blob")
    return held


@pytest.fixture
async def server(serve, held):
    return await serve(held, tokens=True)


def check(upstreams, held, asker, repository=APP):
    return upstreams.check(repository, held.digest, "blobs", asker)


async def test_a_token_is_had_for_nothing_and_used_again(server, held, ask):
    upstreams = ask(server.url)
    for _ in range(3):
        assert await check(upstreams, held, "anonymous") == 4
    assert server.token_requests == [("GET", {"service": NAME, "scope": "repository:team/app:pull"}, None)]
    assert server.asked["HEAD"] == 4


async def test_many_questions_at_once_need_one_token(server, held, ask):
    upstreams = ask(server.url)
    await asyncio.gather(*(check(upstreams, held, "anonymous") for _ in range(8)))
    assert len(server.token_requests) == 1


async def test_a_clients_password_goes_to_the_token_server_and_not_to_the_registry(server, held, ask):
    held.make_private(APP, ALICE)
    assert await check(ask(server.url), held, ALICE) == 4
    assert [shown for _, _, shown in server.token_requests] == [ALICE.authorization]
    shown = {request.headers.get("Authorization", "") for request in server.requests}
    assert ALICE.authorization not in shown


async def test_a_clients_own_token_is_shown_as_it_came(server, held, ask):
    with pytest.raises(LoginRequired) as refused:
        await check(ask(server.url), held, Login("Bearer not-from-there"))
    assert refused.value.challenge.startswith(f'Bearer realm="{server.url}/token",service="{NAME}"')
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer not-from-there"]
    assert not server.token_requests


async def test_a_client_gets_in_with_a_token_from_the_registrys_own_server(server, held, ask):
    held.make_private(APP, ALICE)
    upstreams = ask(server.url)
    await check(upstreams, held, ALICE)
    assert await check(upstreams, held, Login("Bearer t1")) == 4


async def test_each_login_has_a_token_of_its_own(server, held, ask):
    held.make_private(APP, ALICE)
    held.make_private(OTHER, BOB)
    upstreams = ask(server.url)
    assert await check(upstreams, held, ALICE) == 4
    with pytest.raises(LoginRequired):
        await check(upstreams, held, "anonymous")
    with pytest.raises(AccessDenied):
        await check(upstreams, held, BOB)
    assert await check(upstreams, held, ALICE) == 4


async def test_a_wrong_password_is_said_to_be_wrong_again_and_again(server, held, ask):
    upstreams = ask(server.url)
    for _ in range(2):
        with pytest.raises(LoginRequired, match="does not accept this login"):
            await check(upstreams, held, Login("Basic d3Jvbmc6d3Jvbmc="))


async def test_a_token_that_ended_early_is_replaced(server, held, ask):
    upstreams = ask(server.url)
    await check(upstreams, held, "anonymous")
    server._issued.clear()
    assert await check(upstreams, held, "anonymous") == 4
    assert len(server.token_requests) == 2


async def test_an_identity_token_is_changed_for_a_token(server, held, ask):
    held.make_private(APP, Login("Identity it"))
    upstreams = ask(server.url, config={"auths": {NAME: {"identitytoken": "it"}}})
    assert await check(upstreams, held, "node") == 4
    ((method, form, shown),) = server.token_requests
    assert (method, shown) == ("POST", None)
    assert form == {
        "grant_type": "refresh_token",
        "service": NAME,
        "client_id": "p2player",
        "scope": "repository:team/app:pull",
        "refresh_token": "it",
    }


async def test_a_node_without_a_login_asks_as_nobody(server, held, ask):
    upstreams = ask(server.url)
    assert await check(upstreams, held, "node") == 4
    held.make_private(APP, ALICE)
    with pytest.raises(LoginRequired) as refused:
        await check(upstreams, held, "node")
    assert f"docker login {NAME}" in refused.value.hint


@pytest.mark.parametrize("authorization", ["Bearer a\u00e9", "Basic \udcff", "Bearer a\x7f"])
async def test_a_login_no_header_can_hold_is_refused(server, held, ask, authorization):
    login = Login(authorization)
    with pytest.raises(LoginRequired):
        await check(ask(server.url), held, login)
    assert login.fingerprint


@pytest.mark.parametrize(
    "realm", ["", "ftp://a.test/", "file:///etc/passwd", "not a url", "http://", "javascript:alert(1)", "https://a b/"]
)
async def test_a_realm_that_is_no_place_is_not_gone_to(serve, held, ask, realm):
    async def challenge(request):
        return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'})

    server = await serve(held)
    server.instead = {f"/v2/team/app/blobs/{held.digest}": challenge}
    with pytest.raises(UpstreamUnreachable):
        await check(ask(server.url), held, ALICE)
    assert len(server.requests) <= 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"nonsense", UpstreamUnreachable),
        (200, b" " * 2_000_000, UpstreamUnreachable),
        (400, b"", UpstreamUnreachable),
        (429, b"", RateLimited),
        (403, b"", LoginRequired),
    ],
)
async def test_a_token_server_that_gives_no_token_is_a_clear_error(server, held, ask, status, body, error):
    async def answer(request):
        headers = {"Retry-After": "60"} if status == 429 else {}
        return web.Response(status=status, body=body, headers=headers)

    server.instead = {"/token": answer}
    with pytest.raises(error, match=NAME):
        await check(ask(server.url), held, "anonymous")


async def test_a_401_without_any_challenge_is_still_one_that_clients_understand(serve, held, ask):
    async def refuse(request):
        return web.Response(status=401)

    server = await serve(held)
    server.instead = {f"/v2/team/app/blobs/{held.digest}": refuse}
    with pytest.raises(LoginRequired) as refused:
        await check(ask(server.url), held, "anonymous")
    assert refused.value.challenge == f'Basic realm="{NAME}"'


async def test_a_token_is_preferred_to_a_password_where_both_would_do(serve, held, ask):
    server = await serve(held)

    async def both(request):
        if request.headers.get("Authorization") == "Bearer good":
            return web.Response(headers={"Content-Length": "4"})
        headers = {"WWW-Authenticate": f'Basic realm="x", Bearer realm="{server.url}/token"'}
        return web.Response(status=401, headers=headers)

    async def token(request):
        return web.Response(body=json.dumps({"token": "good"}))

    server.instead = {f"/v2/team/app/blobs/{held.digest}": both, "/token": token}
    assert await check(ask(server.url), held, ALICE) == 4


@pytest.mark.parametrize(
    ("url", "root", "scope"),
    [
        ("https://a.test", "https://a.test/v2/team/app", "repository:team/app:pull"),
        ("https://a.test:5000/", "https://a.test:5000/v2/team/app", "repository:team/app:pull"),
        ("https://a.test/v2", "https://a.test/v2/team/app", "repository:team/app:pull"),
        ("https://a.test/v2/hub", "https://a.test/v2/hub/team/app", "repository:hub/team/app:pull"),
        ("https://a.test/proxy", "https://a.test/proxy/v2/team/app", "repository:team/app:pull"),
    ],
)
def test_an_address_may_have_a_path(url, root, scope):
    place = Place(UpstreamSettings(NAME, (url,)), url, APP)
    assert (str(place.root), place.scope) == (root, scope)
