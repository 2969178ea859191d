import io
import json
import tarfile
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.packing import pack, unpack
from tests.fuzz.shapes import JSON, MSGPACK, tar_headers

randoms = st.integers(0, 1 << 64).map(Random)
VALUE = {"a": [1, {"b": "c"}], "d": None}


@given(randoms)
def test_changed_json_is_json(rng):
    json.loads(JSON(json.dumps(VALUE).encode(), rng))


@given(randoms)
def test_changed_msgpack_is_msgpack(rng):
    unpack(MSGPACK(pack([1, [b"x", "y"]]), rng))


def test_what_has_another_form_stays_as_it_is():
    assert JSON(b"{", Random(1)) == b"{"
    assert MSGPACK(b"\xc1", Random(1)) == b"\xc1"
    assert tar_headers(b"no tar", Random(1)) == b"no tar"


def test_changes_of_a_form_are_many():
    raw = json.dumps(VALUE).encode()
    assert len({JSON(raw, Random(seed)) for seed in range(100)}) > 50


@given(randoms)
def test_changed_headers_of_a_tar_have_right_checksums(rng):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("name"))
    changed = tar_headers(buffer.getvalue(), rng)
    stored = int(changed[148:154], 8)
    assert stored in tarfile.calc_chksums(changed[:512])
