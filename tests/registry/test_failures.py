import pytest

from p2player.registry.failures import ALLOWED, WINDOW, Failures


@pytest.fixture
def failures():
    return Failures()


def fail(failures, host, times, now=0.0):
    for _ in range(times):
        failures.note(host, now)


def test_a_host_waits_once_it_failed_too_often_and_others_do_not(failures):
    fail(failures, "10.0.0.1", ALLOWED)
    assert failures.wait("10.0.0.1", 1.0) == 0
    failures.note("10.0.0.1", 1.0)
    assert failures.wait("10.0.0.1", 2.0) == WINDOW - 2
    assert failures.wait("10.0.0.2", 2.0) == 0


def test_it_may_try_again_after_a_while_and_begins_anew(failures):
    fail(failures, "10.0.0.1", ALLOWED + 5)
    assert failures.wait("10.0.0.1", WINDOW) == 0
    failures.note("10.0.0.1", WINDOW)
    assert failures.wait("10.0.0.1", WINDOW) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("a.name", "a.name", True),
    ],
)
def test_a_host_is_known_by_all_the_addresses_it_may_take(failures, one, other, same):
    fail(failures, one, ALLOWED + 1)
    assert (failures.wait(other, 0.0) > 0) is same


def test_no_more_hosts_are_remembered_than_there_is_room_for(failures):
    for number in range(5000):
        failures.note(f"10.0.{number // 250}.{number % 250}", 0.0)
    assert len(failures) == 1024
