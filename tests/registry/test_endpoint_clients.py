"""Whom the endpoint lets in, and for whom it takes a client."""

import ssl

import aiohttp
import pytest

from netsim.emulate.certificates import Authority
from p2player.registry.certificates import EndpointTls
from p2player.registry.endpoint import Endpoint
from p2player.registry.guard import Guard
from p2player.upstream.port import Login
from tests.registry.asking import DATA, Watching, code_of

TOKEN = "good-token-0123456789"


@pytest.fixture
async def guarded(library, counters, tmp_path):
    """The URL of an endpoint over TLS that asks for TOKEN, and what a client trusts."""
    (tmp_path / "tokens").write_text(TOKEN)
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    endpoint = Endpoint(
        library,
        counters,
        guard=Guard.open(tmp_path / "tokens", counters),
        tls=EndpointTls(*authority.issue("127.0.0.1")),
    )
    host, port = await endpoint.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(
        f"https://{host}:{port}", connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authority.ca))
    ) as session:
        yield session
    await endpoint.close()


@pytest.mark.parametrize("library", [Watching], indirect=True)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer a-token"}])
async def test_the_library_is_told_who_asks(client, library, paths, headers):
    for path in paths:
        async with client.get(path, headers=headers) as response:
            assert response.status == 200
    assert library.askers == [Login("Bearer a-token") if headers else "anonymous"] * len(paths)


@pytest.mark.parametrize(
    "path", ["/v2/", "/v2/app/manifests/1", "/v2/app/blobs/sha256:" + "0" * 64, "/v2/app/tags/list", "/", "/v2/x/../"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_who_shows_no_token_learns_nothing_but_that_one_is_asked_for(guarded, method, path):
    async with guarded.request(method, path) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="p2player"'
        if method != "HEAD":
            assert await code_of(response) == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "shown", [{"P2Player-Token": TOKEN}, {"Authorization": aiohttp.encode_basic_auth("anyone", TOKEN)}]
)
async def test_who_shows_the_token_gets_blobs_over_tls_whole_and_in_parts(guarded, counters, blob, library, shown):
    async with guarded.get("/v2/", headers=shown) as response:
        assert response.status == 200
    async with guarded.get(f"/v2/app/blobs/{blob}", headers=shown) as response:
        assert await response.read() == DATA
    async with guarded.get(f"/v2/app/blobs/{blob}", headers={**shown, "Range": "bytes=1000-1999"}) as response:
        assert (response.status, await response.read()) == (206, DATA[1000:2000])
    stored = (await library.blob(blob)).path is not None
    assert counters.bytes["local"] == (len(DATA) + 1000 if stored else 0)


@pytest.mark.parametrize("library", [Watching], indirect=True)
async def test_the_login_beside_a_token_is_the_registrys_and_a_token_as_password_is_not(guarded, library):
    path = "/v2/library/app/manifests/1"
    for shown in (
        {"P2Player-Token": TOKEN, "Authorization": "Bearer a-token"},
        {"P2Player-Token": TOKEN},
        {"Authorization": aiohttp.encode_basic_auth("anyone", TOKEN)},
    ):
        async with guarded.get(path, headers=shown):
            pass
    assert library.askers == [Login("Bearer a-token"), "anonymous", "anonymous"]
