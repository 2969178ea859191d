import pytest

from p2player.oci.digest import Digest
from p2player.store.hashing import BlobHasher, hash_file
from p2player.store.merkle import MerkleHasher


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_one_pass_gives_the_digest_asked_for_and_the_tree(algorithm):
    hasher = BlobHasher(algorithm)
    tree = MerkleHasher()
    for part in (b"a" * 20_000, b"b" * 20_000):
        hasher.update(part)
        tree.update(part)
    assert hasher.finish() == (Digest.of(b"a" * 20_000 + b"b" * 20_000, algorithm), tree.finish())


def test_file_is_hashed_in_chunks_that_add_up_to_its_size(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    chunks = []
    digest, tree = hash_file(tmp_path / "file", "sha256", chunks.append)
    assert digest == Digest.of(data)
    assert tree.size == sum(chunks) == len(data)
    assert len(chunks) > 1
