import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.peer.secret import ClusterSecret

RAW = b"sixteen bytes or more"


def test_white_space_around_the_secret_is_ignored(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\n  " + RAW + b" \n")
    assert ClusterSecret.from_file(path) == ClusterSecret(RAW)


@pytest.mark.parametrize("content", [b"", b"fifteen bytes..", b"   \n" * 10])
def test_short_secret_is_refused_with_a_way_to_make_one(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(InvalidConfig, match="at least 16") as caught:
        ClusterSecret.from_file(path)
    assert "urandom" in caught.value.hint


def test_missing_secret_file_is_named(tmp_path):
    with pytest.raises(InvalidConfig, match="absent"):
        ClusterSecret.from_file(tmp_path / "absent")


@given(st.binary(min_size=16, max_size=64))
def test_each_purpose_has_its_own_key_the_same_on_every_node(raw):
    dht, peer = ClusterSecret(raw).derive("dht"), ClusterSecret(raw).derive("peer")
    assert len(dht) == 32
    assert dht != peer
    assert dht == ClusterSecret(raw).derive("dht")


def test_keys_of_different_secrets_differ():
    assert ClusterSecret(RAW).derive("dht") != ClusterSecret(RAW + b"!").derive("dht")


def test_no_secret_is_public_and_still_gives_keys():
    assert ClusterSecret().is_public
    assert not ClusterSecret(RAW).is_public
    assert len(ClusterSecret().derive("dht")) == 32


def test_secret_is_not_shown_in_its_repr():
    assert "sixteen" not in repr(ClusterSecret(RAW))
