import json

import pytest

from p2player.errors import AddressUnusable
from p2player.oci.mediatypes import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from p2player.oci.reference import Repository
from p2player.registry.endpoint import Endpoint
from tests.registry.asking import HUB, code_of


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


async def test_a_port_in_use_is_said_so(endpoint, library, counters):
    with pytest.raises(AddressUnusable, match=str(endpoint[1])):
        await Endpoint(library, counters).start("127.0.0.1", endpoint[1])
