"""Who is named to whom, of many that have a digest or fetch it. Who keeps a place is tested with the storage."""

from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.providers import SEEN_BY_ALL, in_turn, some_of

names = st.lists(st.integers(), unique=True, max_size=12)


@given(names, names, st.integers(0, 100))
def test_each_is_named_once_and_both_kinds_in_turn(whole, partial, turn):
    whole, partial = [("whole", each) for each in whole], [("partial", each) for each in partial]
    named = in_turn(whole, partial, turn)
    assert sorted(named) == sorted(whole + partial)
    both = named[: 2 * min(len(whole), len(partial))]
    assert [kind for kind, _ in both] == ["whole", "partial"] * (len(both) // 2)


def test_each_turn_begins_elsewhere_but_the_first_of_those_who_fetch_it_stay_first():
    named = [in_turn(["A", "B", "C"], list("abcdefg"), turn) for turn in range(3)]
    assert ["".join(each) for each in named] == ["AaBbCcdefg", "BaCbAdefgc", "CaAbBefgcd"]
    assert SEEN_BY_ALL == 2


def test_half_of_those_that_are_wanted_fetch_it_if_there_are_so_many(provider):
    whole = [provider(node=node, complete=True) for node in range(10)]
    partial = [provider(node=node, complete=False) for node in range(10, 20)]
    assert [it.complete for it in some_of(whole + partial, 6)] == [True] * 3 + [False] * 3
    assert [it.complete for it in some_of(whole + partial[:1], 6)] == [True] * 5 + [False]
    assert [it.complete for it in some_of(partial + whole[:1], 6)] == [True] + [False] * 5
    assert some_of(partial + whole, 1) == whole[:1]
