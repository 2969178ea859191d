import hashlib
import random

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.store.merkle import (
    BLOCK,
    MAX_PIECE,
    MIN_PIECE,
    MerkleHasher,
    MerkleTree,
    piece_length,
    root_of_piece,
    root_of_pieces,
)

MIB = 1024 * 1024
EDGES = [1, BLOCK - 1, BLOCK, BLOCK + 1, MIN_PIECE - 1, MIN_PIECE, MIN_PIECE + 1, 3 * MIN_PIECE, 5 * MIN_PIECE + BLOCK]


def tree_of(data):
    hasher = MerkleHasher()
    hasher.update(data)
    return hasher.finish()


@pytest.mark.parametrize("size", [*EDGES, MIB, MIB + 1, 16 * MIB, 16 * MIB + 1, 20 * MIB + 77])
def test_tree_is_the_one_libtorrent_makes(tmp_path, size):
    data = random.Random(size).randbytes(size)
    (tmp_path / "blob").write_bytes(data)
    torrent = libtorrent.create_torrent(
        libtorrent.list_files(str(tmp_path / "blob")), piece_length(size), libtorrent.create_torrent.v2_only
    )
    libtorrent.set_piece_hashes(torrent, str(tmp_path))
    metainfo = torrent.generate()
    root = metainfo[b"info"][b"file tree"][b"blob"][b""][b"pieces root"]

    assert tree_of(data) == MerkleTree(root, metainfo[b"piece layers"].get(root, b""), size)


def test_empty_blob_has_no_tree():
    assert tree_of(b"") == MerkleTree(b"", b"", 0)


def test_single_block_is_its_own_root():
    assert tree_of(b"abc").root == hashlib.sha256(b"abc").digest()


def test_missing_leaves_are_zero_hashes_not_hashes_of_nothing():
    leaves = [hashlib.sha256(bytes(BLOCK)).digest()] * 3 + [bytes(32)]
    pairs = [hashlib.sha256(leaves[0] + leaves[1]).digest(), hashlib.sha256(leaves[2] + leaves[3]).digest()]
    assert tree_of(bytes(3 * BLOCK)).root == hashlib.sha256(b"".join(pairs)).digest()


@given(st.lists(st.binary(max_size=3 * BLOCK), max_size=8))
def test_tree_does_not_depend_on_how_the_bytes_arrive(parts):
    hasher = MerkleHasher()
    for part in parts:
        hasher.update(memoryview(part))
    assert hasher.finish() == tree_of(b"".join(parts))


@given(st.integers(min_value=0, max_value=2**45))
def test_piece_length_is_a_bounded_power_of_two_and_makes_few_pieces(size):
    length = piece_length(size)
    assert length.bit_count() == 1
    assert MIN_PIECE <= length <= MAX_PIECE
    assert size <= 256 * length or length == MAX_PIECE
    assert size > 128 * length or length == MIN_PIECE


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, 64), (16 * MIB, 64), (16 * MIB + 1, 128), (MIB * 256, 1024), (1024 * MIB, 4096), (2**40, 4096)],
)
def test_piece_length_never_changes(size, length):
    # Nodes of different versions must come to the same info dictionary.
    assert piece_length(size) == length * 1024


@pytest.mark.parametrize("size", [MIN_PIECE + 1, 3 * MIN_PIECE, 5 * MIN_PIECE + BLOCK, 16 * MIB + 1])
def test_pieces_hash_up_to_the_layer_and_the_layer_to_the_root(size):
    data = random.Random(size).randbytes(size)
    tree, length = tree_of(data), piece_length(size)
    layer = b"".join(root_of_piece(data[at : at + length], length) for at in range(0, size, length))
    assert layer == tree.piece_layer
    assert root_of_pieces(layer, length) == tree.root


def test_a_layer_with_one_other_hash_has_another_root():
    layer = random.Random(1).randbytes(5 * 32)
    assert root_of_pieces(layer, MIN_PIECE) != root_of_pieces(layer[:-1] + b"x", MIN_PIECE)
