"""What the endpoint answers when it cannot, or may not, answer as it was asked."""

import logging
from contextlib import asynccontextmanager

import aiohttp
import pytest

from p2player.errors import AccessDenied, LoginRequired, RateLimited, Unavailable, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.registry.endpoint import Endpoint
from tests.registry.asking import Watching, code_of


@asynccontextmanager
async def answer_of(library, counters):
    """The answer of an endpoint in front of another library to a request for a blob."""
    endpoint = Endpoint(library, counters)
    host, port = await endpoint.start("127.0.0.1", 0)
    url = f"http://{host}:{port}/v2/app/blobs/{Digest.of(b'')}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        yield response
    await endpoint.close()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v2/app/blobs/{Digest.of(b'nobody has this')}", 404, "BLOB_UNKNOWN"),
        ("/v2/app/blobs/sha256:short", 400, "DIGEST_INVALID"),
        ("/v2/app/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("/v2/App/manifests/1", 400, "NAME_INVALID"),
        ("/v2/none/tags/list", 404, "NAME_UNKNOWN"),
        ("/v2/_catalog", 404, "UNSUPPORTED"),
        ("/", 404, "UNSUPPORTED"),
    ],
)
async def test_what_cannot_be_served_has_an_oci_error(client, path, status, code):
    async with client.get(path) as response:
        assert response.status == status
        assert await code_of(response) == code
    async with client.head(path) as response:
        assert response.status == status


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
async def test_writes_are_refused(client, method):
    async with client.request(method, "/v2/app/blobs/uploads/", data=b"x" * 1000) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD"
        assert await code_of(response) == "UNSUPPORTED"


@pytest.mark.parametrize("library", [Watching], indirect=True)
@pytest.mark.parametrize(
    ("refusal", "status", "code", "header"),
    [
        (
            LoginRequired("no", challenge='Basic realm="r"'),
            401,
            "UNAUTHORIZED",
            ("WWW-Authenticate", 'Basic realm="r"'),
        ),
        (AccessDenied("no"), 403, "DENIED", None),
        (RateLimited("later"), 429, "TOOMANYREQUESTS", ("Retry-After", "1")),
        (UpstreamUnreachable("down"), 503, "UNAVAILABLE", ("Retry-After", "1")),
    ],
)
async def test_what_the_registry_refuses_is_refused(client, library, paths, refusal, status, code, header):
    library.refusal = refusal
    for path in paths:
        async with client.get(path, headers={"Authorization": "Basic c2VjcmV0"}) as response:
            assert response.status == status
            assert await code_of(response) == code
            assert header is None or header in response.headers.items()
            assert "c2VjcmV0" not in await response.text()


async def test_credentials_that_cannot_be_right_are_not_repeated(client, paths, counters, caplog):
    with caplog.at_level(logging.DEBUG):
        for path in paths:
            async with client.get(path, headers={"Authorization": "secret: ö"}) as response:
                assert response.status == 400
                assert await code_of(response) == "UNAUTHORIZED"
                assert "secret" not in await response.text()
    assert "secret" not in caplog.text
    assert counters.dropped == {"registry.malformed": len(paths)}


async def test_when_nobody_answers_the_client_is_told_to_come_back(counters):
    class Nobody:
        async def blob(self, *_):
            raise Unavailable("no node answers")

    async with answer_of(Nobody(), counters) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert await code_of(response) == "UNAVAILABLE"


async def test_a_bug_behind_the_endpoint_is_an_answer_too(counters):
    class Broken:
        async def blob(self, *_):
            raise ZeroDivisionError("secret")

    async with answer_of(Broken(), counters) as response:
        assert response.status == 500
        assert await code_of(response) == "UNKNOWN"
        assert b"secret" not in await response.read()


async def test_requests_that_cannot_be_right_are_counted(client, counters):
    async with client.get("/v2/app/blobs/sha256:short") as response:
        assert response.status == 400
    assert counters.dropped == {"registry.malformed": 1}
