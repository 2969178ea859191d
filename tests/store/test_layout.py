import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.store.layout import Layout
from p2player.store.rows import NameRow, StoredBlob

DIGEST = Digest.of(b"manifest")


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "store")
    layout.prepare()
    return layout


def row(scope, name, record=b"", issued=0):
    return NameRow(scope, name, Descriptor("application/x", DIGEST, 8), record, issued)


def test_index_names_images_as_skopeo_spells_them(layout):
    layout.write_index([row("ghcr.io:443/team/app", "v1")], [])
    (entry,) = json.loads((layout.root / "index.json").read_text())["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "ghcr.io:443/team/app:v1"
    assert (entry["mediaType"], entry["digest"], entry["size"]) == ("application/x", str(DIGEST), 8)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.builds(row, texts, texts, st.binary(max_size=40), st.integers(0, 2**63 - 1)), max_size=5),
    st.lists(st.binary(max_size=8).map(Digest.of), max_size=3),
)
def test_what_is_written_is_read_back(layout, names, pins):
    layout.write_index(names, [StoredBlob(pin, 1, b"", None) for pin in pins])
    assert layout.read_index() == (names, pins)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
annotations = st.dictionaries(
    st.sampled_from([f"io.p2player.{it}" for it in ("scope", "name", "record", "issued")]),
    st.text(max_size=6) | st.none(),
)
entries = st.fixed_dictionaries(
    {"mediaType": st.just("application/x"), "digest": st.just(str(DIGEST)), "size": st.just(8)},
    optional={"annotations": annotations | json_values},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=40)
    | json_values.map(lambda it: json.dumps(it).encode())
    | st.lists(entries | json_values, max_size=3).map(lambda it: json.dumps({"manifests": it}).encode())
)
def test_no_index_json_stops_a_recovery(layout, content):
    (layout.root / "index.json").write_bytes(content)
    names, pins = layout.read_index()
    assert all(it.descriptor.digest == DIGEST for it in names)
    assert set(pins) <= {DIGEST}


@pytest.mark.parametrize("issued", ["-1", str(2**63), "soon", ""])
def test_name_with_an_impossible_time_is_left_out(layout, issued):
    layout.write_index([row("x", "1"), row("x", "2")], [])
    path = layout.root / "index.json"
    path.write_text(path.read_text().replace('"io.p2player.issued": "0"', f'"io.p2player.issued": "{issued}"', 1))
    assert layout.read_index() == ([row("x", "2")], [])


def test_index_that_says_the_same_is_not_written_again(layout):
    layout.write_index([row("x", "1")], [])
    before = (layout.root / "index.json").stat()
    layout.write_index([row("x", "1")], [])
    assert (layout.root / "index.json").stat().st_ino == before.st_ino
    layout.write_index([], [])
    assert (layout.root / "index.json").stat().st_ino != before.st_ino


def test_only_regular_files_with_a_blobs_name_are_blobs(layout, tmp_path):
    (tmp_path / "file").write_bytes(b"manifest")
    layout.link(tmp_path / "file", DIGEST)
    blobs = layout.root / "blobs" / "sha256"
    (blobs / "notes.txt").write_text("not a blob")
    (blobs / Digest.of(b"directory").hex).mkdir()
    (blobs / Digest.of(b"link").hex).symlink_to(tmp_path / "file")
    (layout.root / "blobs" / "md5").mkdir()
    (layout.root / "blobs" / "md5" / ("0" * 32)).write_bytes(b"")
    assert list(layout.files()) == [(DIGEST, 8)]


def test_link_takes_the_place_of_what_stood_there_unverified(layout, tmp_path):
    layout.link(_file(tmp_path, b"left by a crash"), DIGEST)
    layout.link(_file(tmp_path, b"manifest"), DIGEST)
    assert layout.path(DIGEST).read_bytes() == b"manifest"


def _file(folder, data):
    path = folder / data.hex()
    path.write_bytes(data)
    return path
