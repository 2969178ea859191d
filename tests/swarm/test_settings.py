import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.swarm.settings import node_of, peer_fingerprint, session_params


@given(st.binary(min_size=20, max_size=20))
def test_a_peer_id_tells_which_node_it_is(node_id):
    peer_id = peer_fingerprint(node_id)
    assert len(peer_id) == 20
    assert node_of(peer_id.encode("ascii")) == node_id.hex()[:8]


@given(st.binary(max_size=32))
def test_any_other_peer_id_is_a_foreign_client_and_no_error(peer_id):
    assert node_of(peer_id) is None or peer_id.startswith(b"-P2-")


@given(st.binary(min_size=16, max_size=16))
def test_a_peer_id_that_only_looks_like_ours_is_no_error(rest):
    found = node_of(b"-P2-" + rest)
    assert found is None or bytes.fromhex(found) is not None


@pytest.mark.parametrize(
    ("host", "interface"),
    [("127.0.0.1", "127.0.0.1:7401"), ("0.0.0.0", "0.0.0.0:7401"), ("::1", "[::1]:7401")],
)
def test_a_session_listens_where_it_is_told_and_nowhere_else(host, interface):
    settings = session_params(host, 7401, bytes(20)).settings
    assert settings["listen_interfaces"] == interface
    assert settings["max_retry_port_bind"] == 0


@pytest.mark.parametrize("service", ["enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp"])
def test_a_private_swarm_uses_none_of_the_public_ways_to_find_peers(service):
    assert session_params("127.0.0.1", 0, bytes(20)).settings[service] is False
