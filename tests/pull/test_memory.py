import pytest

from p2player.errors import BlobNotFound, ReferenceNotFound, RepositoryNotFound, TransferStalled
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.pull.memory import MemoryLibrary

APP = Repository.parse("app")


async def read(blob, start=0, stop=None):
    return b"".join([chunk async for chunk in blob.read(start, blob.size if stop is None else stop)])


async def test_a_blob_is_read_in_part_and_whole():
    library = MemoryLibrary()
    data = bytes(200_000)
    blob = await library.blob(library.add_blob(data))
    assert (blob.size, blob.path) == (200_000, None)
    assert await read(blob) == data
    assert len(await read(blob, 65_535, 131_073)) == 65_538


async def test_a_faulty_blob_gives_what_is_good_and_then_fails():
    library = MemoryLibrary()
    blob = await library.blob(library.add_blob(b"0123456789", good=5, fault=TransferStalled("gone")))
    assert await read(blob, 0, 5) == b"01234"
    chunks = blob.read(0, 10)
    assert await anext(chunks) == b"01234"
    with pytest.raises(TransferStalled):
        await anext(chunks)


async def test_a_file_has_a_path(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    library = MemoryLibrary()
    assert (await library.blob(library.add_file(tmp_path / "x"))).path == tmp_path / "x"


async def test_what_was_not_put_in_is_not_found():
    library = MemoryLibrary()
    with pytest.raises(BlobNotFound):
        await library.blob(Digest.of(b""))
    with pytest.raises(ReferenceNotFound):
        await library.manifest(APP, "1")
    with pytest.raises(ReferenceNotFound):
        await library.manifest(APP, Digest.of(b""))
    with pytest.raises(RepositoryNotFound):
        await library.tags(APP)
    assert await library.referrers(Digest.of(b"")) == []
