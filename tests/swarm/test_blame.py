import base64

import pytest

from p2player.swarm.blame import FLOOD, Blame
from p2player.swarm.port import Spoilt

HERE, THERE, STRANGER = ("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.1", 40_000)


@pytest.fixture
def blame():
    return Blame()


def test_where_nothing_came_wrong_nobody_is_told(blame):
    assert blame.spoilt([HERE, THERE]) == Spoilt()


def test_who_is_accused_is_told_by_address_and_by_the_name_of_a_node(blame):
    blame.on_hash_failed(3)
    blame.accuse(HERE, b"-P2-" + base64.urlsafe_b64encode(bytes([0xAB] * 12)))
    blame.accuse(THERE, b"-LI0000-" + bytes(12))
    assert blame.spoilt([]) == Spoilt(frozenset({3}), frozenset({HERE, THERE}), frozenset({"ab" * 4}))


def test_who_sends_a_few_blocks_that_nobody_asked_for_is_no_flooder_and_who_goes_on_is_one(blame):
    for _ in range(FLOOD - 1):
        for address in (HERE, THERE):
            blame.on_unasked(address)
    assert blame.spoilt([HERE, THERE]) == Spoilt()
    blame.on_unasked(THERE)
    assert blame.spoilt([HERE, THERE]) == Spoilt(flooders=frozenset({THERE}))
    assert (blame.is_flooder(HERE), blame.is_flooder(THERE)) == (False, True)


def test_who_floods_from_an_address_that_was_not_given_is_blamed_on_nobody(blame):
    for _ in range(FLOOD):
        blame.on_unasked(STRANGER)
    assert blame.is_flooder(STRANGER)
    assert blame.spoilt([HERE]) == Spoilt()
