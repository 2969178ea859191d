import pytest

from p2player.swarm.ledger import MAX_STARTS, Ledger

SEED, LIAR, OTHER, STRANGER = [(f"10.0.0.{n}", 7401) for n in range(1, 5)]
KNOWN = [SEED, LIAR, OTHER]


@pytest.fixture
def ledger():
    return Ledger()


def put_out(ledger, *addresses):
    for address in addresses:
        ledger.put_out(address)


def test_to_begin_anew_helps_nobody_as_long_as_nobody_was_put_out(ledger):
    assert not ledger.may_help(KNOWN)


def test_who_was_put_out_once_is_let_in_again(ledger):
    put_out(ledger, SEED)
    assert ledger.may_help(KNOWN)
    assert ledger.begin_anew(KNOWN, {}) == KNOWN


def test_a_stranger_that_was_put_out_is_no_reason_to_begin_anew(ledger):
    put_out(ledger, STRANGER)
    assert not ledger.may_help(KNOWN)


def test_of_several_who_gave_most_is_let_in_first_beside_those_who_were_never_put_out(ledger):
    put_out(ledger, LIAR, SEED)
    assert ledger.begin_anew(KNOWN, {SEED: 2, LIAR: 1}) == [SEED, OTHER]


def test_who_is_put_out_again_alone_is_never_let_in_any_more(ledger):
    put_out(ledger, LIAR, SEED)
    ledger.begin_anew(KNOWN, {LIAR: 2, SEED: 1})
    put_out(ledger, LIAR)
    assert ledger.begin_anew(KNOWN, {LIAR: 2, SEED: 1}) == [SEED, OTHER]
    assert ledger.begin_anew(KNOWN, {LIAR: 2, SEED: 1}) == [SEED, OTHER]


def test_where_nobody_is_left_who_is_not_guilty_it_is_not_begun_anew(ledger):
    put_out(ledger, LIAR)
    ledger.begin_anew(KNOWN, {})
    put_out(ledger, LIAR, LIAR)
    assert not ledger.may_help(KNOWN)


def test_who_is_put_out_again_with_another_may_be_honest_and_comes_after_those_who_were_not_let_in_yet(ledger):
    put_out(ledger, SEED, LIAR)
    ledger.begin_anew(KNOWN, {SEED: 2, LIAR: 1})
    put_out(ledger, SEED, OTHER)
    assert ledger.begin_anew(KNOWN, {SEED: 2, OTHER: 1}) == [OTHER]
    put_out(ledger, OTHER)
    assert ledger.begin_anew(KNOWN, {SEED: 2, LIAR: 1}) == [LIAR]
    put_out(ledger, LIAR)
    assert ledger.begin_anew(KNOWN, {}) == [SEED]


def test_who_gives_nothing_when_it_is_let_in_makes_room_for_the_next(ledger):
    put_out(ledger, SEED, LIAR)
    assert ledger.begin_anew(KNOWN, {LIAR: 2, SEED: 1}) == [LIAR, OTHER]
    assert ledger.begin_anew(KNOWN, {LIAR: 2, SEED: 1}) == [SEED, OTHER]


def test_it_is_begun_anew_a_few_times_only(ledger):
    put_out(ledger, SEED, LIAR)
    for _ in range(MAX_STARTS):
        assert ledger.may_help(KNOWN)
        ledger.begin_anew(KNOWN, {})
        put_out(ledger, SEED, LIAR)
    assert not ledger.may_help(KNOWN)
