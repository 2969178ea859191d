import pytest

from p2player.pull.access.admissions import PUBLIC_TTL, Admissions
from p2player.upstream.port import Login

R = "registry.corp/team/x"
ALICE, BOB = Login("Basic YWxpY2U6MQ=="), Login("Basic Ym9iOjI=")


def test_nothing_is_known_of_a_repository_at_first():
    known = Admissions()
    assert not known.is_public(R, 0.0)
    assert not known.is_private(R)
    assert not known.admitted(R, "anonymous", 0.0, 1e9)


def test_open_repository_is_taken_for_open_for_an_hour():
    known = Admissions()
    known.opened(R, 5.0)
    assert known.is_public(R, 5.0 + PUBLIC_TTL - 1)
    assert not known.is_public(R, 5.0 + PUBLIC_TTL)


@pytest.mark.parametrize("known", [Admissions([R]), Admissions()], ids=["from before", "just now"])
def test_repository_that_required_a_login_stays_private(known):
    known.closed(R)
    known.opened(R, 0.0)
    assert known.is_private(R)
    assert not known.is_public(R, 0.0)


def test_open_repository_that_closes_is_open_no_more():
    known = Admissions()
    known.opened(R, 0.0)
    known.closed(R)
    assert not known.is_public(R, 1.0)


def test_admission_is_each_clients_own_and_ends():
    known = Admissions()
    known.admit(R, ALICE, 10.0)
    assert known.admitted(R, Login(ALICE.authorization), 309.0, 300.0)
    assert not known.admitted(R, ALICE, 310.0, 300.0)
    for other in (BOB, "anonymous", "node"):
        assert not known.admitted(R, other, 10.0, 300.0)
    assert not known.admitted("registry.corp/team/y", ALICE, 10.0, 300.0)
    known.expel(R, ALICE)
    assert not known.admitted(R, ALICE, 10.0, 300.0)


def test_client_that_calls_itself_node_is_not_the_node():
    known = Admissions()
    known.admit(R, "node", 0.0)
    assert not known.admitted(R, Login("node"), 0.0, 300.0)


def test_memory_is_bounded_and_loses_the_oldest():
    known = Admissions()
    for number in range(10_001):
        known.admit(R, Login(str(number)), 0.0)
        known.closed(str(number))
    assert not known.admitted(R, Login("0"), 0.0, 300.0)
    assert not known.is_private("0")
    assert known.admitted(R, Login("1"), 0.0, 300.0)
    assert known.is_private("10000")
