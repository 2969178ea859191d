import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.tarwriter import TarWriter


def contents(buffer):
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@given(st.lists(st.tuples(st.binary(max_size=1200), st.booleans()), max_size=6))
def test_what_is_kept_is_there_and_what_is_dropped_is_not(members):
    buffer = io.BytesIO()
    tar = TarWriter(buffer)
    for number, (data, kept) in enumerate(members):
        tar.begin(str(number))
        tar.write(data[:500])
        tar.write(data[500:])
        tar.keep() if kept else tar.drop()
    tar.finish()

    expected = {str(number): data for number, (data, kept) in enumerate(members) if kept}
    assert contents(buffer) == expected
    assert tar.names == set(expected)
    assert len(buffer.getvalue()) % 512 == 0


def test_names_longer_than_a_header_are_written_in_full():
    buffer = io.BytesIO()
    tar = TarWriter(buffer)
    tar.add("blobs/sha512/" + "a" * 128, b"x" * 600)
    tar.add("b", b"y")
    tar.finish()

    assert contents(buffer) == {"blobs/sha512/" + "a" * 128: b"x" * 600, "b": b"y"}


def test_a_size_beyond_eight_gigabytes_fits_in_the_header(tmp_path):
    with (tmp_path / "sparse").open("x+b") as file:
        tar = TarWriter(file)
        tar.begin("huge")
        file.seek(9 * 2**30, io.SEEK_CUR)
        tar.keep()
        tar.finish()
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            assert archive.next().size == 9 * 2**30


def test_two_members_cannot_be_written_at_once():
    tar = TarWriter(io.BytesIO())
    tar.begin("a")

    with pytest.raises(RuntimeError, match="a is still being written"):
        tar.begin("b")
