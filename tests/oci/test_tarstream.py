import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidArchive
from p2player.oci.tarstream import Peekable, TarFile, TarLink, follow, read_tar


class Pipe:
    """Gives a few bytes at a time, and cannot seek."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size=-1, /):
        return self._file.read(min(size, 700) if size >= 0 else size)


def listing(data):
    return [
        (entry.name, entry.content.read()) if isinstance(entry, TarFile) else (entry.name, entry.target)
        for entry in read_tar(Pipe(data))
    ]


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:])]
)
def test_files_and_links_come_in_order_from_a_pipe(tar_of, pack):
    data = pack(tar_of(("./a", b"1" * 5000), ("dir/b", b""), ("dir/c", "->", "../a"), ("d", "=>", "dir/b")))

    assert listing(data) == [("a", b"1" * 5000), ("dir/b", b""), ("dir/c", "a"), ("d", "dir/b")]


def test_content_left_unread_is_passed_over(tar_of):
    data = tar_of(("a", b"x" * 100_000), ("b", b"y"))

    assert [entry.name for entry in read_tar(Pipe(data))] == ["a", "b"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", ".."])
def test_names_that_point_out_are_refused(tar_of, name):
    with pytest.raises(InvalidArchive, match="points out"):
        listing(tar_of((name, b"")))


@pytest.mark.parametrize(
    "link", [("a", "->", "/etc/passwd"), ("a", "->", "../b"), ("d/a", "->", "../../b"), ("d/a", "=>", "../b")]
)
def test_links_that_leave_are_refused(tar_of, link):
    with pytest.raises(InvalidArchive, match="points out"):
        listing(tar_of(link))


def test_devices_are_refused():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("null")
        member.type = tarfile.CHRTYPE
        archive.addfile(member)

    with pytest.raises(InvalidArchive, match="neither file nor link"):
        listing(buffer.getvalue())


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_is_cut_off_is_refused(tar_of, pack):
    data = pack(tar_of(("a", bytes(range(256)) * 100)))

    with pytest.raises(InvalidArchive):
        listing(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"not a tar", b"\x1f\x8b", b"\x1f\x8b\x08", b"x" * 10_000])
def test_what_is_no_tar_is_refused(data):
    with pytest.raises(InvalidArchive):
        listing(data)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 1500), st.booleans())
def test_any_damage_is_refused_or_harmless(tar_of, junk, position, zipped):
    data = tar_of(("a", b"1" * 600), ("b", "->", "a"))
    data = gzip.compress(data, mtime=0) if zipped else data
    position = min(position, len(data) - 1)
    try:
        listing(data[:position] + junk + data[position + len(junk) :])
    except InvalidArchive as error:
        message = error.message
    else:
        message = ""
    assert "\n" not in message


def test_follow_goes_through_links_to_the_file():
    assert follow("a", {"a": "b", "b": "c"}) == "c"
    assert follow("c", {}) == "c"


def test_follow_refuses_a_circle():
    with pytest.raises(InvalidArchive, match="leads nowhere"):
        follow("a", {"a": "b", "b": "a"})


@given(st.binary(max_size=2000), st.lists(st.tuples(st.booleans(), st.integers(0, 900)), max_size=8))
def test_peeking_takes_nothing_away(data, steps):
    stream = Peekable(Pipe(data))
    got = b""
    for peek, size in steps:
        if peek:
            assert data[len(got) :].startswith(ahead := stream.peek(size))
            assert len(ahead) >= min(size, len(data) - len(got))
        else:
            got += stream.read(size)
    assert got + stream.read() == data


def test_link_is_a_value():
    assert TarLink("a", "b") == TarLink("a", "b")


def header(size, kind=tarfile.REGTYPE):
    """Return the header of an entry that claims size bytes, which do not follow."""
    member = tarfile.TarInfo("a")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("size", [1, 1 << 40, 1 << 80])
def test_content_that_is_not_there_is_missed_at_once_though_nobody_reads_it(size):
    with pytest.raises(InvalidArchive):
        list(read_tar(Pipe(header(size))))


def test_an_entry_of_less_than_nothing_is_refused():
    with pytest.raises(InvalidArchive, match="-5 bytes"):
        listing(header(-5))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_description_that_would_fill_the_memory_is_refused(kind):
    with pytest.raises(InvalidArchive, match="a header of"):
        listing(header(1 << 30, kind) + bytes(1024))


def test_a_file_that_is_larger_than_what_is_stored_of_it_is_refused():
    member = tarfile.TarInfo("a")
    member.pax_headers = {"GNU.sparse.size": str(1 << 50), "GNU.sparse.map": "0,0"}
    with pytest.raises(InvalidArchive, match="neither file nor link"):
        listing(member.tobuf(tarfile.PAX_FORMAT) + bytes(1024))


def test_long_names_are_read(tar_of):
    name = "d/" * 200 + "a"
    assert listing(tar_of((name, b"x"))) == [(name, b"x")]
