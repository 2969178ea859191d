import json
import random
from dataclasses import dataclass

import pytest

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor, Document
from p2player.oci.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from p2player.store.rows import NameRow
from p2player.store.store import Store


@dataclass(frozen=True)
class Image:
    """A small image; `blobs` holds its manifest last."""

    document: Document
    blobs: dict[Digest, bytes]

    @property
    def digest(self):
        return self.document.digest

    @property
    def layers(self):
        return [layer.digest for layer in self.document.content.layers]

    def row(self, name="1", *, scope="docker.io/library/x", issued=1, record=b"signed"):
        return NameRow(scope, name, self.document.descriptor, record, issued)


def descriptor(media_type, data):
    return Descriptor(media_type, Digest.of(data), len(data))


@pytest.fixture
def make_image():
    """Return an image: `base` makes images of the same base share their first layer."""

    def make(seed, *, base=0):
        layers = [random.Random(f"base {base}").randbytes(100_000), random.Random(f"top {seed}").randbytes(70_000)]
        config = json.dumps({"os": "linux", "architecture": "amd64", "seed": seed}).encode()
        document = Document.of_image(
            descriptor(OCI_CONFIG, config), tuple(descriptor(OCI_LAYER, layer) for layer in layers)
        )
        return Image(document, {Digest.of(data): data for data in (*layers, config, document.raw)})

    return make


@pytest.fixture
def make_index():
    """Return an index document over the manifests of images."""

    def make(*images):
        entries = [image.document.descriptor.to_json() for image in images]
        return Document.parse(
            json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, indent=1).encode()
        )

    return make


@pytest.fixture
def make_referrer():
    """Return an artifact manifest, with an empty config of its own, that says something about subject."""

    def make(subject, note):
        config = json.dumps({"note": note}).encode()
        layer = note.encode()
        members = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.example.note",
            "config": descriptor("application/vnd.example.config", config).to_json(),
            "layers": [descriptor("text/plain", layer).to_json()],
            "subject": subject.to_json(),
        }
        document = Document.parse(json.dumps(members).encode())
        return Image(document, {Digest.of(data): data for data in (config, layer, document.raw)})

    return make


@pytest.fixture
def open_store(tmp_path):
    """Return a function that opens the test's data directory, again after a close."""
    opened = []

    def open_again():
        store = Store.open(tmp_path / "data", reserve=0)
        opened.append(store)
        return store

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def bring_in():
    """Import blobs, and names for them, as `p2player seed` does."""

    def run(store, blobs, *names):
        with store.begin_import() as importing:
            for digest, data in blobs.items():
                writer = importing.add(digest, len(data))
                writer.write(data)
                writer.finish()
            importing.commit(names)

    return run


@pytest.fixture
def files():
    """Return the digests of the blob files in a data directory."""

    def find(data_dir):
        return {Digest.from_path(path) for path in (data_dir / "store" / "blobs").glob("*/*")}

    return find
