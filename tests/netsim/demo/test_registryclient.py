import asyncio
import hashlib

import pytest
from aiohttp import web

from netsim.demo.registryclient import NotVerifiedError, RegistryClient
from netsim.emulate.processes import ProgramError

DATA = b"layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
async def registry():
    """A client of an endpoint that has one manifest and one blob, as the test sets them."""
    served = {"manifest": DATA, "blob": DATA}

    async def manifest(_):
        return web.Response(body=served["manifest"], headers={"Docker-Content-Digest": DIGEST})

    async def blob(_):
        return web.Response(body=served["blob"])

    app = web.Application()
    app.add_routes([web.get("/v2/app/manifests/1", manifest), web.get(f"/v2/app/blobs/{DIGEST}", blob)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield RegistryClient(f"{host}:{port}"), served
    await runner.cleanup()


async def test_a_blob_is_received_whole(registry):
    client, _ = registry
    received = await asyncio.to_thread(client.blob, "app", DIGEST)
    assert (received.digest, received.size) == (DIGEST, len(DATA))


async def test_a_manifest_is_known_by_the_digest_in_its_headers(registry):
    client, _ = registry
    received, raw = await asyncio.to_thread(client.manifest, "app", "1")
    assert (received.digest, raw) == (DIGEST, DATA)


@pytest.mark.parametrize("wrong", [b"", DATA[:-1], DATA[:-1] + b"\0"])
async def test_other_bytes_than_the_digest_says_are_refused(registry, wrong):
    client, served = registry
    served |= {"manifest": wrong, "blob": wrong}
    with pytest.raises(NotVerifiedError, match="got the bytes of sha256:"):
        await asyncio.to_thread(client.blob, "app", DIGEST)
    with pytest.raises(NotVerifiedError):
        await asyncio.to_thread(client.manifest, "app", "1")


async def test_what_is_not_there_is_an_error_that_names_it(registry):
    client, _ = registry
    with pytest.raises(ProgramError, match="GET /v2/app/manifests/2: 404"):
        await asyncio.to_thread(client.manifest, "app", "2")


def test_an_endpoint_that_is_not_there_is_an_error():
    with pytest.raises(ProgramError, match="ConnectionRefusedError"):
        RegistryClient("127.0.0.1:1").blob("app", DIGEST)
