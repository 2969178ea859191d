import hashlib
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest

ALGORITHMS = ("sha256", "sha384", "sha512")


@given(st.binary(), st.sampled_from(ALGORITHMS))
def test_digest_of_data_is_its_hash_and_matches_only_it(data, algorithm):
    digest = Digest.of(data, algorithm)

    assert digest.hex == hashlib.new(algorithm, data).hexdigest()
    assert digest.matches(data)
    assert not digest.matches(data + b"\0")


@given(st.binary(), st.sampled_from(ALGORITHMS))
def test_parse_reads_back_what_str_spells(data, algorithm):
    digest = Digest.of(data, algorithm)

    assert Digest.parse(str(digest)) == digest
    assert Digest.from_path(PurePosixPath("blobs", algorithm, digest.hex)) == digest


@given(st.text())
def test_parse_of_any_text_gives_a_digest_or_invalid_digest(text):
    try:
        digest = Digest.parse(text)
    except InvalidDigest:
        return
    assert str(digest) == text


@given(st.integers(0, 63), st.characters(exclude_characters="0123456789abcdef"))
def test_parse_refuses_a_digest_with_one_wrong_character(position, character):
    good = Digest.of(b"").hex

    with pytest.raises(InvalidDigest):
        Digest.parse(f"sha256:{good[:position]}{character}{good[position + 1 :]}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "a" * 64 + "\n",
        "sha256 :" + "a" * 64,
        "SHA256:" + "a" * 64,
        "md5:" + "a" * 32,
        "sha512:" + "a" * 64,
        ":" + "a" * 64,
    ],
)
def test_parse_refuses_what_is_not_canonical(text):
    with pytest.raises(InvalidDigest):
        Digest.parse(text)


def test_refusal_of_an_unknown_algorithm_names_the_known_ones():
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse("md5:d41d8cd98f00b204e9800998ecf8427e")

    assert "sha256" in caught.value.hint


def test_hasher_builds_the_digest_piece_by_piece():
    hasher = Digest.of(b"", "sha512").hasher()
    hasher.update(b"ab")
    hasher.update(b"c")

    assert hasher.hexdigest() == Digest.of(b"abc", "sha512").hex


def test_digests_are_equal_hashable_and_ordered_by_value():
    one, other = Digest.of(b"1"), Digest.of(b"2")

    assert {one, Digest.of(b"1")} == {one}
    assert sorted([one, other]) == sorted([other, one])


def test_short_form_is_the_first_twelve_characters():
    assert Digest.of(b"").short == "e3b0c44298fc"
