import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.peer.auth import MAX_AGE, RequestAuth
from p2player.peer.secret import ClusterSecret

NOW = 1_700_000_000.5
AUTH = RequestAuth(ClusterSecret(b"one"))


@pytest.mark.parametrize("skew", [0, MAX_AGE - 1, 1 - MAX_AGE])
def test_a_request_is_accepted_for_a_minute(skew):
    assert AUTH.accepts(AUTH.sign("GET", "/x", NOW), "GET", "/x", NOW + skew)


@pytest.mark.parametrize("skew", [MAX_AGE + 1, -MAX_AGE - 1])
def test_an_old_or_early_request_is_not(skew):
    assert not AUTH.accepts(AUTH.sign("GET", "/x", NOW), "GET", "/x", NOW + skew)


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/x"), ("GET", "/y"), ("GE", "T/x")])
def test_a_header_is_good_for_its_own_request_only(method, path):
    assert not AUTH.accepts(AUTH.sign("GET", "/x", NOW), method, path, NOW)


def test_a_changed_time_is_noticed():
    header = AUTH.sign("GET", "/x", NOW).replace("1700000000", "1700000001")
    assert not AUTH.accepts(header, "GET", "/x", NOW)


def test_another_secret_is_not_accepted():
    other = RequestAuth(ClusterSecret(b"two"))
    assert not AUTH.accepts(other.sign("GET", "/x", NOW), "GET", "/x", NOW)


@given(st.text() | st.from_regex(r"P2Player [0-9]{1,20} [0-9a-f]{64}"))
def test_no_made_up_header_is_accepted(header):
    assert not AUTH.accepts(header, "GET", "/x", NOW)
