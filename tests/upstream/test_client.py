import json

import pytest
from aiohttp import web

from p2player.counters import Counters
from p2player.errors import InvalidConfig, InvalidManifest, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document
from p2player.oci.mediatypes import DOCUMENTS, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from p2player.oci.reference import Repository
from p2player.upstream.client import RegistryUpstreams
from p2player.upstream.memory import MemoryRegistry
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.transport import Transport

NAME = "registry.test"
APP = Repository(NAME, "team/app")
IMAGE = Document.of_image(Descriptor(OCI_CONFIG, Digest.of(b"{}"), 2), (Descriptor(OCI_LAYER, Digest.of(b"layer"), 5),))
ABOUT = Descriptor(OCI_MANIFEST, Digest.of(b"signature"), 9, artifact_type="application/x.signature")
REFERRERS = f"/v2/team/app/referrers/{IMAGE.digest}"
FALLBACK = f"/v2/team/app/manifests/sha256-{IMAGE.digest.hex}"


@pytest.fixture
def held():
    held = MemoryRegistry()
    held.put_document(APP, IMAGE, "1")
    return held


def answering(body=b"", status=200, **headers):
    async def handler(request):
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


def an_index(*entries):
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json() for entry in entries]}
    ).encode()


async def test_a_tag_costs_one_head_with_all_types_and_the_second_is_conditional(serve, held, ask):
    server = await serve(held)
    upstreams = ask(server.url)
    assert await upstreams.resolve(APP, "1", "anonymous") == IMAGE.descriptor
    assert await upstreams.resolve(APP, "1", "anonymous", known=IMAGE.digest) == IMAGE.descriptor
    first, second = server.requests
    assert {request.method for request in server.requests} == {"HEAD"}
    assert set(first.headers["Accept"].split(", ")) == DOCUMENTS
    assert "If-None-Match" not in first.headers
    assert second.headers["If-None-Match"] == f'"{IMAGE.digest}"'


async def test_a_registry_that_names_no_digest_is_asked_for_the_manifest(serve, held, ask):
    server = await serve(held, digests=False)
    assert await ask(server.url).resolve(APP, "1", "anonymous") == IMAGE.descriptor
    assert server.asked == {"HEAD": 1, "GET": 1}


async def test_a_registry_that_knows_no_head_is_asked_for_the_whole(serve, held, ask):
    async def no_head(request):
        if request.method == "HEAD":
            return web.Response(status=405)
        return web.Response(body=IMAGE.raw, content_type=OCI_MANIFEST)

    server = await serve(held)
    server.instead = {"/v2/team/app/manifests/1": no_head}
    upstreams = ask(server.url)
    assert await upstreams.resolve(APP, "1", "anonymous") == IMAGE.descriptor
    assert await upstreams.check(APP, "1", "manifests", "anonymous") == len(IMAGE.raw)


async def test_what_is_no_manifest_is_an_invalid_one(serve, held, ask):
    server = await serve(held)
    server.instead = {"/v2/team/app/manifests/1": answering(b'{"schemaVersion": 1}', Content_Type="application/json")}
    with pytest.raises(InvalidManifest, match="schema 1"):
        await ask(server.url).resolve(APP, "1", "anonymous")


async def test_a_manifest_without_end_is_cut_off(serve, held, ask):
    server = await serve(held)
    server.instead = {f"/v2/team/app/manifests/{IMAGE.digest}": answering(bytes(MAX_DOCUMENT + 1))}
    with pytest.raises(UpstreamUnreachable, match=str(MAX_DOCUMENT)):
        async with ask(server.url).open(APP, IMAGE.digest, "manifests", "anonymous"):
            pass


async def test_a_manifest_that_breaks_off_is_asked_for_again(serve, held, ask):
    left = [IMAGE.raw[:10]]

    async def breaking(request):
        body = left.pop() if left else IMAGE.raw
        response = web.StreamResponse(headers={"Content-Length": str(len(IMAGE.raw))})
        await response.prepare(request)
        await response.write(body)
        if body != IMAGE.raw:
            request.transport.close()
        return response

    server = await serve(held)
    server.instead = {f"/v2/team/app/manifests/{IMAGE.digest}": breaking}
    async with ask(server.url).open(APP, IMAGE.digest, "manifests", "anonymous") as blob:
        assert b"".join([chunk async for chunk in blob.chunks]) == IMAGE.raw


async def test_referrers_come_from_the_api(serve, held, ask):
    server = await serve(held)
    server.instead = {REFERRERS: answering(an_index(ABOUT), Content_Type=OCI_INDEX)}
    assert await ask(server.url).referrers(APP, IMAGE.digest, "anonymous") == [ABOUT]


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_referrers_of_an_older_registry_come_from_a_tag(serve, held, ask, status):
    server = await serve(held)
    server.instead = {REFERRERS: answering(status=status), FALLBACK: answering(an_index(ABOUT), Content_Type=OCI_INDEX)}
    assert await ask(server.url).referrers(APP, IMAGE.digest, "anonymous") == [ABOUT]


async def test_a_registry_that_lists_nonsense_is_unavailable(serve, held, ask):
    server = await serve(held)
    server.instead = {REFERRERS: answering(b"nonsense"), "/v2/team/app/tags/list": answering(b'{"tags": 3}')}
    upstreams = ask(server.url)
    with pytest.raises(UpstreamUnreachable, match=NAME):
        await upstreams.referrers(APP, IMAGE.digest, "anonymous")
    with pytest.raises(UpstreamUnreachable, match=NAME):
        await upstreams.tags(APP, "anonymous")


async def test_a_path_in_the_address_comes_before_each_name(serve, held, ask):
    server = await serve(held, tokens=True, prefix="mirror/hub/")
    assert await ask(f"{server.url}/v2/mirror/hub").resolve(APP, "1", "anonymous") == IMAGE.descriptor
    assert server.token_requests[0][1]["scope"] == "repository:mirror/hub/team/app:pull"


async def test_public_registries_are_asked_unless_only_configured_ones_are():
    own = UpstreamSettings("own.test:5000", ("http://127.0.0.1:1",))
    anybody = RegistryUpstreams([own], configured_only=False, counters=Counters(), environ={})
    nobody = RegistryUpstreams([own], configured_only=True, counters=Counters(), environ={})
    assert anybody.settings("own.test:5000") == nobody.settings("own.test:5000") == own
    assert anybody.settings("ghcr.io").public_only
    assert anybody.settings("docker.io").urls == ("https://registry-1.docker.io",)
    assert nobody.settings("ghcr.io") is None
    assert anybody.settings("other.test:5000") is None
    await anybody.close()
    await nobody.close()


async def test_a_public_name_that_leads_into_this_network_is_refused(resolver):
    transport = Transport(resolver("10.0.0.1", "127.0.0.1"))
    anybody = RegistryUpstreams([], configured_only=False, counters=Counters(), environ={}, transport=transport)
    with pytest.raises(UpstreamUnreachable, match=r"inside\.example has no public address") as refused:
        await anybody.resolve(Repository("inside.example", "app"), "1", "anonymous")
    assert "--upstream" in refused.value.hint
    await anybody.close()


async def test_a_certificate_file_that_is_not_there_is_refused_at_the_start(tmp_path):
    settings = UpstreamSettings(NAME, ("https://127.0.0.1:1",), ca=tmp_path / "ca.pem")
    with pytest.raises(InvalidConfig, match=r"ca\.pem"):
        RegistryUpstreams([settings], configured_only=True, counters=Counters(), environ={})
