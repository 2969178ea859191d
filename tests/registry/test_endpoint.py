import asyncio
import json
import logging
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from netsim.emulate.certificates import Authority
from p2player.errors import (
    AccessDenied,
    AddressUnusable,
    LoginRequired,
    RateLimited,
    TransferStalled,
    Unavailable,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.mediatypes import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from p2player.oci.reference import Repository
from p2player.pull.memory import MemoryLibrary
from p2player.registry.certificates import EndpointTls
from p2player.registry.endpoint import Endpoint
from p2player.registry.guard import Guard
from p2player.upstream.port import Login

HUB = Repository.parse("library/app")
DATA = bytes(range(256)) * 4096  # 1 MiB
TOKEN = "good-token-0123456789"


@pytest.fixture(params=["streamed", "stored"])
def blob(request, library, tmp_path):
    """The digest of DATA, as a blob on its way and as a file of the store."""
    if request.param == "streamed":
        return library.add_blob(DATA)
    (tmp_path / "blob").write_bytes(DATA)
    return library.add_file(tmp_path / "blob")


@asynccontextmanager
async def answer_of(library, counters):
    """The answer of an endpoint in front of another library to a request for a blob."""
    endpoint = Endpoint(library, counters)
    host, port = await endpoint.start("127.0.0.1", 0)
    url = f"http://{host}:{port}/v2/app/blobs/{Digest.of(b'')}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        yield response
    await endpoint.close()


async def code_of(response):
    assert response.headers["Content-Type"] == "application/json"
    return (await response.json())["errors"][0]["code"]


@pytest.mark.parametrize("path", ["/v2/", "/v2", "/v2/?ns=ghcr.io"])
async def test_says_that_it_is_a_registry(client, path):
    async with client.get(path) as response:
        assert response.status == 200
        assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        assert response.headers["WWW-Authenticate"] == 'Basic realm="p2player"'
        assert await response.json() == {}


async def test_a_manifest_is_found_by_tag_and_by_digest(client, library, image):
    library.add_document(image, HUB, "1")
    for target in ("1", str(image.digest)):
        async with client.get(f"/v2/library/app/manifests/{target}") as response:
            assert response.status == 200
            assert await response.read() == image.raw
            assert response.headers["Content-Type"] == OCI_MANIFEST
            assert response.headers["Docker-Content-Digest"] == str(image.digest)
            assert response.headers["ETag"] == f'"{image.digest}"'


async def test_head_of_a_manifest_has_the_headers_only(client, library, image):
    library.add_document(image, HUB, "1")
    async with client.head("/v2/library/app/manifests/1") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(image.raw))
        assert response.headers["Docker-Content-Digest"] == str(image.digest)
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("path", "repository"),
    [
        ("/v2/team/app/manifests/1?ns=ghcr.io", "ghcr.io/team/app"),
        ("/v2/ghcr.io/team/app/manifests/1", "ghcr.io/team/app"),
        ("/v2/app/manifests/1", "docker.io/library/app"),
    ],
)
async def test_each_runtimes_way_of_naming_finds_the_image(client, library, image, path, repository):
    library.add_document(image, Repository.parse(repository), "1")
    async with client.get(path) as response:
        assert response.status == 200
        assert response.headers.get("OCI-Namespace") == ("ghcr.io" if "?" in path else None)


async def test_an_image_of_another_registry_is_not_mistaken(client, library, image):
    library.add_document(image, HUB, "1")
    async with client.get("/v2/library/app/manifests/1?ns=ghcr.io") as response:
        assert response.status == 404
        assert await code_of(response) == "MANIFEST_UNKNOWN"


async def test_a_manifest_of_a_type_the_client_cannot_read_is_not_found(client, library, index):
    library.add_document(index, HUB, "1")
    async with client.get("/v2/library/app/manifests/1", headers={"Accept": DOCKER_MANIFEST}) as response:
        assert response.status == 404
        assert await code_of(response) == "MANIFEST_UNKNOWN"
    async with client.get("/v2/library/app/manifests/1", headers={"Accept": OCI_INDEX}) as response:
        assert response.status == 200


async def test_a_client_that_has_it_gets_no_body(client, library, image, blob):
    library.add_document(image, HUB, "1")
    for path, digest in (("manifests/1", image.digest), (f"blobs/{blob}", blob)):
        async with client.get(f"/v2/app/{path}", headers={"If-None-Match": f'"{digest}"'}) as response:
            assert response.status == 304
            assert response.headers["ETag"] == f'"{digest}"'
            assert await response.read() == b""


async def test_a_blob_arrives_whole(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Docker-Content-Digest"] == str(blob)
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == DATA


async def test_the_same_connection_serves_blob_after_blob(endpoint, blob):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for _ in range(3):
            async with session.get(f"http://127.0.0.1:{endpoint[1]}/v2/app/blobs/{blob}") as response:
                assert await response.read() == DATA


async def test_many_clients_are_served_at_once(client, blob):
    async def get():
        async with client.get(f"/v2/app/blobs/{blob}") as response:
            return await response.read() == DATA

    assert all(await asyncio.gather(*(get() for _ in range(32))))


async def test_head_of_a_blob_tells_its_size_and_reads_nothing(client, library):
    digest = library.add_blob(b"x" * 1000, good=0, fault=TransferStalled("nobody may read this"))
    async with client.head(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "1000"
        assert response.headers["Docker-Content-Digest"] == str(digest)
    async with client.head(f"/v2/app/blobs/{digest}", headers={"Range": "bytes=0-1"}) as response:
        assert response.status == 200


async def test_an_empty_blob_is_served(client, library):
    digest = library.add_blob(b"")
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "0"
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("header", "start", "stop"), [("bytes=0-0", 0, 1), ("bytes=1000-", 1000, 2**20), ("bytes=-10", 2**20 - 10, 2**20)]
)
async def test_a_range_is_partial_content(client, blob, header, start, stop):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": header}) as response:
        assert response.status == 206
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        assert await response.read() == DATA[start:stop]


async def test_several_ranges_get_the_whole(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": "bytes=0-1,4-5"}) as response:
        assert response.status == 200
        assert await response.read() == DATA


async def test_a_range_behind_the_end_is_refused_with_the_size(client, blob):
    async with client.get(f"/v2/app/blobs/{blob}", headers={"Range": f"bytes={len(DATA)}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_a_range_of_something_else_gets_the_whole(client, blob):
    headers = {"Range": "bytes=0-1", "If-Range": '"another"'}
    async with client.get(f"/v2/app/blobs/{blob}", headers=headers) as response:
        assert response.status == 200
    headers["If-Range"] = f'"{blob}"'
    async with client.get(f"/v2/app/blobs/{blob}", headers=headers) as response:
        assert response.status == 206


@pytest.mark.parametrize("good", [0, 64 * 1024, len(DATA) - 1])
async def test_a_blob_that_fails_midway_is_never_complete(client, library, good, caplog):
    digest = library.add_blob(DATA, good=good, fault=TransferStalled("no more peers"))
    with caplog.at_level(logging.WARNING):
        async with client.get(f"/v2/app/blobs/{digest}") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    assert "no more peers" in caplog.text


async def test_a_file_that_is_too_short_is_never_complete(client, library, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    digest = library.add_file(path)
    path.write_bytes(DATA[:1000])
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_file_that_has_gone_is_not_found(client, library, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    digest = library.add_file(path)
    path.unlink()
    async with client.get(f"/v2/app/blobs/{digest}") as response:
        assert response.status == 404
        assert await code_of(response) == "BLOB_UNKNOWN"


async def test_a_reader_that_leaves_closes_the_blob(endpoint, library):
    closed = asyncio.Event()

    class Slow:
        digest, size, path = Digest.of(DATA), len(DATA), None

        async def read(self, *_):
            try:
                yield DATA[:10]
                await asyncio.Event().wait()
            finally:
                closed.set()

    library._blobs[Slow.digest] = Slow()
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{endpoint[1]}/v2/app/blobs/{Slow.digest}")
        assert await response.content.readexactly(10) == DATA[:10]
        response.close()
    await asyncio.wait_for(closed.wait(), 30)


async def test_bytes_from_the_store_are_counted_and_streamed_ones_are_not(client, library, counters, tmp_path):
    (tmp_path / "blob").write_bytes(DATA)
    for digest in (library.add_file(tmp_path / "blob"), library.add_blob(b"streamed")):
        async with client.get(f"/v2/app/blobs/{digest}", headers={"Range": "bytes=0-99"}) as response:
            await response.read()
    assert counters.bytes["local"] == 100


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


async def test_tags_are_listed_page_by_page(client, library, image):
    library.add_document(image, HUB, "b", "a", "c")
    async with client.get("/v2/library/app/tags/list?n=2") as response:
        assert await response.json() == {"name": "library/app", "tags": ["a", "b"]}
        link = response.headers["Link"]
    async with client.get(link.removeprefix("<").partition(">")[0]) as response:
        assert await response.json() == {"name": "library/app", "tags": ["c"]}
        assert "Link" not in response.headers


async def test_referrers_are_listed_by_type(client, library, image, make_referrer):
    sbom, signature = make_referrer(image, "a/sbom"), make_referrer(image, "a/signature")
    for document in (image, sbom, signature):
        library.add_document(document, HUB)
    async with client.get(f"/v2/app/referrers/{image.digest}?artifactType=a/sbom") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == OCI_INDEX
        assert response.headers["OCI-Filters-Applied"] == "artifactType"
        assert [entry["digest"] for entry in json.loads(await response.read())["manifests"]] == [str(sbom.digest)]
    async with client.get(f"/v2/app/referrers/{sbom.digest}") as response:
        assert response.status == 200
        assert "OCI-Filters-Applied" not in response.headers
        assert json.loads(await response.read())["manifests"] == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_tag_that_cannot_be_confirmed_says_how_old_it_is(client, library, image, method):
    library.add_document(image, HUB, "1")
    library.stale_for = 61.9
    for headers, status in (({}, 200), ({"If-None-Match": f'"{image.digest}"'}, 304)):
        async with client.request(method, "/v2/app/manifests/1", headers=headers) as response:
            assert response.status == status
            assert response.headers["Age"] == "61"
            assert response.headers["Warning"] == '110 p2player "Response is Stale"'


async def test_a_tag_that_is_confirmed_says_nothing_of_its_age(client, library, image):
    library.add_document(image, HUB, "1")
    async with client.get("/v2/app/manifests/1") as response:
        assert not {"Age", "Warning"} & response.headers.keys()


class Watching(MemoryLibrary):
    """A library that remembers who asked, and has nothing for some of them."""

    def __init__(self):
        super().__init__()
        self.askers = []
        self.refusal = None

    def admit(self, asker):
        self.askers.append(asker)
        if self.refusal:
            raise self.refusal

    async def manifest(self, repository, target, asker="anonymous"):
        self.admit(asker)
        return await super().manifest(repository, target, asker)

    async def blob(self, digest, repository=None, asker="anonymous"):
        self.admit(asker)
        return await super().blob(digest, repository, asker)

    async def tags(self, repository, asker="anonymous"):
        self.admit(asker)
        return await super().tags(repository, asker)

    async def referrers(self, digest, repository=None, asker="anonymous"):
        self.admit(asker)
        return await super().referrers(digest, repository, asker)


@pytest.fixture
def paths(library, image):
    """One path of each kind, all of which are there."""
    library.add_document(image, HUB, "1")
    digest = library.add_blob(b"layer")
    return [f"/v2/app/{path}" for path in ("manifests/1", f"blobs/{digest}", "tags/list", f"referrers/{digest}")]


@pytest.mark.parametrize("library", [Watching], indirect=True)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer a-token"}])
async def test_the_library_is_told_who_asks(client, library, paths, headers):
    for path in paths:
        async with client.get(path, headers=headers) as response:
            assert response.status == 200
    assert library.askers == [Login("Bearer a-token") if headers else "anonymous"] * len(paths)


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


async def test_a_port_in_use_is_said_so(endpoint, library, counters):
    with pytest.raises(AddressUnusable, match=str(endpoint[1])):
        await Endpoint(library, counters).start("127.0.0.1", endpoint[1])


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
