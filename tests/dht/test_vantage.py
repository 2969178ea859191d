import pytest

from p2player.dht.vantage import Vantage, is_loopback


def bound(host="0.0.0.0", guess="192.168.0.5"):
    vantage = Vantage()
    vantage.bound_to(host, lambda _host: guess)
    return vantage


def test_bound_address_stands_whatever_others_see():
    vantage = bound("10.0.0.1")
    assert not vantage.seen_from(b"a", "10.9.9.9")
    assert vantage.host == "10.0.0.1"


def test_guess_holds_until_somebody_sees_us():
    vantage = bound()
    assert vantage.host == "192.168.0.5"
    assert vantage.unconfirmed
    assert vantage.seen_from(b"a", "10.0.0.1")
    assert vantage.host == "10.0.0.1"
    assert not vantage.unconfirmed


def test_what_most_see_wins_and_each_node_has_one_vote():
    vantage = bound()
    vantage.seen_from(b"a", "10.0.0.1")
    for _ in range(5):
        vantage.seen_from(b"b", "10.0.0.2")
    assert vantage.host == "10.0.0.1", "a tie changes nothing"
    assert vantage.seen_from(b"c", "10.0.0.2")
    assert vantage.host == "10.0.0.2"
    assert not vantage.seen_from(b"c", "10.0.0.2")


def test_one_remote_view_beats_any_number_of_loopback_ones():
    vantage = bound()
    for voter in (b"a", b"b", b"c"):
        vantage.seen_from(voter, "127.0.0.1")
    assert vantage.host == "127.0.0.1"
    vantage.seen_from(b"d", "10.0.0.1")
    assert vantage.host == "10.0.0.1"


def test_votes_are_bounded_and_the_oldest_go():
    vantage = bound()
    for number in range(100):
        vantage.seen_from(b"%d" % number, "10.0.0.1")
    for number in range(100, 140):
        vantage.seen_from(b"%d" % number, "10.0.0.2")
    assert vantage.host == "10.0.0.2"
    assert len(vantage._votes) <= 32


def test_host_is_put_into_canonical_form():
    vantage = bound("::")
    vantage.seen_from(b"a", "::10.0.0.1")
    assert vantage.host == "::a00:1"


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("::2", False)]
)
def test_loopback_addresses_are_known(host, loopback):
    assert is_loopback(host) is loopback
