import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.control.target import parse_target
from p2player.errors import BadInput, InvalidDigest
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference


@given(st.binary().map(Digest.of))
def test_a_digest_is_a_digest(digest):
    assert parse_target(str(digest)) == digest


@pytest.mark.parametrize("text", ["alpine", "ghcr.io/org/app:1", f"alpine@{Digest.of(b'')}"])
def test_a_reference_is_a_reference(text):
    assert parse_target(text) == Reference.parse(text)


@pytest.mark.parametrize("text", ["sha256:abc", "sha1:" + "0" * 40, "sha512:"])
def test_a_cut_off_digest_is_not_taken_for_an_image(text):
    with pytest.raises(InvalidDigest):
        parse_target(text)


@given(st.text(max_size=80))
def test_any_text_is_a_target_or_bad_input(text):
    with contextlib.suppress(BadInput):
        assert isinstance(parse_target(text), Digest | Reference)
