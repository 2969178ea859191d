import hashlib
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import StoreDamaged
from p2player.peer.identity import (
    NODE_ID_BYTES,
    Identity,
    NodeId,
    SimulatedIdentity,
    verify_signature,
    verify_simulated,
)

SEED = bytes(range(32))


def test_same_seed_gives_same_identity():
    assert Identity.from_seed(SEED).public_key == Identity.from_seed(SEED).public_key


def test_generated_identities_differ():
    assert Identity.generate().node_id != Identity.generate().node_id


def test_node_id_is_the_start_of_the_hash_of_the_public_key():
    identity = Identity.from_seed(SEED)
    assert identity.node_id.raw == hashlib.sha256(identity.public_key).digest()[:NODE_ID_BYTES]
    assert identity.node_id == NodeId.of(identity.public_key)


def test_node_id_shows_as_hex_and_in_short():
    node_id = NodeId(bytes.fromhex("0102030405" * 4))
    assert str(node_id) == "0102030405" * 4
    assert node_id.short == "01020304"


@given(st.binary(max_size=200))
def test_signature_verifies_for_its_message_only(message):
    identity = Identity.from_seed(SEED)
    signature = identity.sign(message)
    assert verify_signature(identity.public_key, message, signature)
    assert not verify_signature(identity.public_key, message + b"x", signature)
    assert not verify_signature(Identity.generate().public_key, message, signature)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_malformed_keys_and_signatures_verify_nothing(public_key, signature):
    assert not verify_signature(public_key, b"message", signature)


def test_key_is_made_on_first_use_and_kept(tmp_path):
    path = tmp_path / "key"
    made = Identity.load_or_create(path)
    assert Identity.load_or_create(path).node_id == made.node_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_damaged_key_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="not a node key"):
        Identity.load_or_create(path)
    assert path.read_bytes() == content


def test_simulated_signature_is_of_one_message_and_identity_and_no_real_one():
    identity = SimulatedIdentity(b"k" * 32)
    signature = identity.sign(b"message")
    assert len(signature) == 64
    assert identity.node_id == NodeId.of(identity.public_key)
    assert verify_simulated(identity.public_key, b"message", signature)
    assert not verify_simulated(identity.public_key, b"another", signature)
    assert not verify_simulated(b"o" * 32, b"message", signature)
    assert not verify_signature(identity.public_key, b"message", signature)
