from hypothesis import given
from hypothesis import strategies as st

from p2player.peer.secret import ClusterSecret

RAW = b"sixteen bytes or more"


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
