import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.peer.address import (
    MAX_SEALED_ADDRESS,
    Whereabouts,
    new_nonce,
    open_address,
    parse_nonce,
    seal_address,
)
from p2player.peer.identity import Identity

ME, OTHER = Identity.from_seed(bytes(32)), Identity.from_seed(bytes([1]) * 32)
NONCE = bytes(range(16))
HERE = ("10.0.0.1", 7401)


@pytest.mark.parametrize("address", [HERE, ("2001:db8::1", 1), ("::1", 65535)])
def test_what_is_sealed_is_what_is_opened(address):
    sealed = seal_address(ME, NONCE, *address)
    assert open_address(ME.node_id, NONCE, sealed) == address
    assert len(sealed) <= MAX_SEALED_ADDRESS


def test_what_another_signed_or_for_another_question_is_nobodys_word():
    sealed = seal_address(ME, NONCE, *HERE)
    for signer, nonce, data in (
        (OTHER, NONCE, sealed),
        (ME, new_nonce(), sealed),
        (ME, NONCE, sealed[:1] + b"x" + sealed[2:]),
        (ME, NONCE, sealed[:-1]),
        (ME, NONCE, b""),
    ):
        with pytest.raises(ValueError, match="signed"):
            open_address(signer.node_id, nonce, data)


def test_what_is_signed_and_no_address_is_refused():
    body = b"x" * 8
    with pytest.raises(ValueError, match="8 bytes"):
        open_address(ME.node_id, NONCE, body + ME.public_key + ME.sign(b"p2player address v1\0" + NONCE + body))


def test_the_answer_follows_what_a_node_announces():
    announced = HERE
    whereabouts = Whereabouts(ME, lambda: announced)
    assert open_address(ME.node_id, NONCE, whereabouts.sealed(NONCE, "10.0.0.1")) == HERE
    announced = ("10.0.0.2", 7402)
    assert open_address(ME.node_id, NONCE, whereabouts.sealed(NONCE, "10.0.0.2")) == announced


def test_nothing_is_said_of_a_host_at_which_the_question_did_not_come_in():
    assert Whereabouts(ME, lambda: HERE).sealed(NONCE, "10.0.0.2") is None


def test_a_nonce_is_read_as_it_is_written_and_never_drawn_twice():
    assert parse_nonce(NONCE.hex()) == NONCE
    assert new_nonce() != new_nonce()


@given(st.text(max_size=40) | st.text("0123456789abcdefABCDEF \n", min_size=31, max_size=33))
def test_nothing_but_32_digits_is_a_nonce(text):
    try:
        assert parse_nonce(text).hex() == text
    except ValueError:
        return
