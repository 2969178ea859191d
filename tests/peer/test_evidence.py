import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.peer.evidence import (
    MAX_EVIDENCE,
    Evidence,
    can_be_shown,
    open_evidence,
    open_piece,
    seal_evidence,
    seal_piece,
    vouch,
    voucher,
)
from p2player.peer.identity import Identity
from p2player.store.merkle import MIN_PIECE, MerkleHasher
from tests.evidence import evidence_of, patched, pieces_of

SIZE = 4 * MIN_PIECE + 1000
ME, OTHER = Identity.from_seed(bytes(32)), Identity.from_seed(bytes([1]) * 32)


@pytest.fixture
def data():
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def evidence(data):
    return evidence_of(data)


def test_evidence_is_sound_and_every_piece_can_be_shown(data, evidence):
    hasher = MerkleHasher()
    hasher.update(data)
    assert evidence.root == hasher.finish().root
    assert evidence.is_sound
    assert evidence.count == 5
    assert [evidence.shows(index, piece) for index, piece in enumerate(pieces_of(data))] == [True] * 5


@pytest.mark.parametrize("index", range(5))
def test_no_other_piece_can_be_shown(data, evidence, index):
    pieces = pieces_of(data)
    for other in (pieces[index][:-1], pieces[index] + b"x", b"", b"x" + pieces[index][1:], pieces[index - 1]):
        assert not evidence.shows(index, other)


def test_a_piece_of_the_right_hash_that_leads_elsewhere_is_not_shown(data, evidence):
    length = len(evidence.states)
    for index in range(4):
        states = bytearray(evidence.states)
        states[(index + 1) * 32] ^= 1
        lie = replace(evidence, states=bytes(states))
        assert lie.is_sound, "its hashes are right"
        assert len(lie.states) == length
        assert not lie.shows(index, pieces_of(data)[index])
        assert not lie.shows(index + 1, pieces_of(data)[index + 1])


def test_the_last_piece_leads_to_the_digest_or_nowhere(data):
    lie = evidence_of(data, Digest.of(b"something else"))
    assert lie.is_sound
    assert [lie.shows(index, piece) for index, piece in enumerate(pieces_of(data))] == [True] * 4 + [False]


def test_evidence_that_begins_otherwise_or_has_another_root_is_not_sound(evidence):
    assert not replace(evidence, states=b"x" + evidence.states[1:]).is_sound
    assert not replace(evidence, root=b"x" * 32).is_sound
    assert not replace(evidence, layer=evidence.layer[:-1] + b"x").is_sound


def test_two_dispute_the_last_piece_in_which_they_differ(data, evidence):
    changed = bytearray(data)
    changed[2 * MIN_PIECE] ^= 1
    other = evidence_of(bytes(changed))
    # All states behind the change are others.
    assert evidence.places_of_dispute(other) == (4, 4)
    # One who knows the rest tells it as it is.
    assert evidence.places_of_dispute(patched(other, evidence, 3)) == (2, 2)


def test_two_of_different_sizes_dispute_their_last_pieces(evidence):
    longer = evidence_of(bytes(6 * MIN_PIECE), evidence.digest)
    assert evidence.places_of_dispute(longer) == (4, 5)
    assert longer.places_of_dispute(evidence) == (5, 4)


def test_what_is_sealed_is_what_is_opened(data, evidence):
    sealed = seal_evidence(ME, evidence)
    assert open_evidence(ME.node_id, evidence.digest, sealed) == evidence
    piece = pieces_of(data)[3]
    assert open_piece(ME.node_id, evidence.digest, 3, seal_piece(ME, evidence.digest, 3, piece)) == piece


def test_what_another_signed_or_for_something_else_is_nobodys_word(evidence):
    sealed, piece = seal_evidence(ME, evidence), seal_piece(ME, evidence.digest, 3, b"piece")
    another = Digest.of(b"another")
    for wrong in (
        lambda: open_evidence(OTHER.node_id, evidence.digest, sealed),
        lambda: open_evidence(ME.node_id, another, sealed),
        lambda: open_evidence(ME.node_id, evidence.digest, b"x" + sealed[1:]),
        lambda: open_evidence(ME.node_id, evidence.digest, piece),
        lambda: open_piece(ME.node_id, evidence.digest, 2, piece),
        lambda: open_piece(ME.node_id, another, 3, piece),
        lambda: open_piece(OTHER.node_id, evidence.digest, 3, piece),
        lambda: open_piece(ME.node_id, evidence.digest, 3, b""),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_what_is_vouched_for_is_the_signers_and_nothing_else(evidence):
    digest = evidence.digest
    seal = vouch(ME, digest, b"data")
    assert voucher(digest, b"data", seal) == ME.node_id
    assert voucher(digest, b"other", seal) is None
    assert voucher(Digest.of(b"another"), b"data", seal) is None
    assert voucher(digest, b"data", OTHER.public_key.hex() + seal[64:]) is None


@given(st.text(max_size=400))
def test_nothing_but_a_signature_vouches(text):
    assert voucher(Digest.of(b""), b"data", text) is None


@given(st.binary(max_size=200))
def test_nothing_but_evidence_is_parsed(data):
    with pytest.raises(ValueError):
        Evidence.parse(Digest.of(b""), data)


@given(st.integers(0, 1 << 64 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 20), st.binary(max_size=3))
def test_a_size_that_does_not_fit_its_pieces_is_refused(size, root, count, rest):
    data = size.to_bytes(8, "big") + root + bytes(64 * count) + rest
    try:
        evidence = Evidence.parse(Digest.of(b""), data)
    except ValueError:
        return
    assert evidence.pack() == data
    assert evidence.count == count > 1


def test_evidence_is_bounded():
    assert can_be_shown(MIN_PIECE + 1)
    assert not can_be_shown(MIN_PIECE)
    assert can_be_shown(60 << 30)
    assert not can_be_shown(1 << 40)
    with pytest.raises(ValueError):
        Evidence.parse(Digest.of(b""), bytes(MAX_EVIDENCE + 1))


def test_the_front_of_what_a_node_has_signed_is_not_taken_for_what_it_has_signed():
    blob = b"front" + ME.public_key + b"end"
    seal = vouch(ME, Digest.of(blob), blob)
    assert voucher(Digest.of(blob), blob, seal) == ME.node_id
    assert voucher(Digest.of(blob), b"front", (ME.public_key + b"end").hex() + seal) is None
