import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from p2player.counters import Counters
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from p2player.pull.memory import MemoryLibrary
from p2player.registry.endpoint import Endpoint
from tests.registry.asking import DATA, HUB


@pytest.fixture
def library(request):
    return getattr(request, "param", MemoryLibrary)()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
async def endpoint(library, counters) -> AsyncIterator[tuple[str, int]]:
    endpoint = Endpoint(library, counters)
    yield await endpoint.start("127.0.0.1", 0)
    await endpoint.close()


@pytest.fixture
async def client(endpoint) -> AsyncIterator[aiohttp.ClientSession]:
    host, port = endpoint
    async with aiohttp.ClientSession(f"http://{host}:{port}", auto_decompress=False) as session:
        yield session


@pytest.fixture
def image():
    """A small image manifest."""
    config, layer = b'{"architecture":"amd64"}', b"layer"
    return Document.of_image(
        Descriptor(OCI_CONFIG, Digest.of(config), len(config)), (Descriptor(OCI_LAYER, Digest.of(layer), len(layer)),)
    )


@pytest.fixture
def index(image):
    """An index with that image in it."""
    members = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image.descriptor.to_json()]}
    return Document.parse(json.dumps(members).encode())


@pytest.fixture
def make_referrer():
    """Make a manifest about another document, of an artifact type."""

    def make(subject: Document, artifact_type: str) -> Document:
        empty = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2).to_json()
        members = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": empty,
            "layers": [empty],
            "subject": subject.descriptor.to_json(),
            "annotations": {"made.by": "test"},
        }
        return Document.parse(json.dumps(members).encode())

    return make


@pytest.fixture(params=["streamed", "stored"])
def blob(request, library, tmp_path):
    """The digest of DATA, as a blob on its way and as a file of the store."""
    if request.param == "streamed":
        return library.add_blob(DATA)
    (tmp_path / "blob").write_bytes(DATA)
    return library.add_file(tmp_path / "blob")


@pytest.fixture
def paths(library, image):
    """One path of each kind, all of which are there."""
    library.add_document(image, HUB, "1")
    digest = library.add_blob(b"layer")
    return [f"/v2/app/{path}" for path in ("manifests/1", f"blobs/{digest}", "tags/list", f"referrers/{digest}")]
