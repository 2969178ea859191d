import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.store.hashing import hash_file
from p2player.store.rows import Entry


@pytest.fixture
def entry_of(tmp_path):
    def read(data):
        path = tmp_path / "blob"
        path.write_bytes(data)
        digest, tree = hash_file(path, "sha256")
        return Entry.read(path, digest, tree)

    return read


def test_manifest_is_known_with_what_it_needs(entry_of, make_image):
    image = make_image(1)
    entry = entry_of(image.document.raw)
    assert entry.blob.media_type == image.document.media_type
    assert set(entry.children) == set(image.blobs) - {image.digest}
    assert entry.subject is None


def test_referrer_is_known_with_its_subject(entry_of, make_image, make_referrer):
    image = make_image(1)
    assert entry_of(make_referrer(image.document.descriptor, "signed").document.raw).subject == image.digest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda it: b"{" + it.encode("utf-8", "replace")))
def test_any_other_bytes_are_a_plain_blob(entry_of, data):
    entry = entry_of(data)
    assert (entry.blob.digest, entry.blob.size, entry.blob.media_type) == (Digest.of(data), len(data), None)
    assert (entry.children, entry.subject) == ((), None)


def test_name_is_written_as_people_write_it(make_image):
    assert make_image(1).row("2").reference == "docker.io/library/x:2"
