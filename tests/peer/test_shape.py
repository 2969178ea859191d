from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.peer.segments import segment_bytes
from p2player.peer.shape import NO_SOURCE, most_followers, place_of, trunk

MIB = 1024 * 1024

SIZES = st.integers(1, 1 << 40)
DEPTHS = st.one_of(st.integers(0, 5000), st.integers(NO_SOURCE, NO_SOURCE + 5000))


@pytest.mark.parametrize(("size", "length"), [(64 * MIB, 64), (16 * MIB, 64), (2 * MIB, 16), (1, 1)])
def test_the_chain_is_an_eighth_as_long_as_a_blob_has_segments(size, length):
    assert trunk(size) == length
    assert size // segment_bytes(size) // 8 <= length


def test_in_the_chain_a_node_has_one_follower_and_two_behind_it():
    length = trunk(2 * MIB)
    assert [most_followers(depth, 2 * MIB) for depth in (0, length - 1, length, length + 50)] == [1, 1, 2, 2]


def test_who_has_no_source_yet_is_counted_from_the_first_of_those_who_have_none():
    assert most_followers(NO_SOURCE, 2 * MIB) == 1
    assert most_followers(NO_SOURCE + trunk(2 * MIB), 2 * MIB) == 2


def test_newcomers_line_up_first_and_fill_the_tree_row_by_row_then():
    size, length = 1, 1
    assert trunk(size) == length
    assert [place_of(newcomer, 0, size) for newcomer in range(1, 9)] == [
        (0, 0),
        (1, 1),
        (1, 1),
        (2, 2),
        (2, 2),
        (3, 2),
        (3, 2),
        (4, 3),
    ]


@given(SIZES, DEPTHS, st.integers(1, 300))
def test_nobody_gets_more_followers_than_it_takes_and_each_stands_one_deeper_than_whom_it_follows(size, depth, crowd):
    depths = {0: depth}
    followers = Counter[int]()
    for newcomer in range(1, crowd + 1):
        place, place_depth = place_of(newcomer, depth, size)
        assert place < newcomer
        assert depths[place] == place_depth
        depths[newcomer] = place_depth + 1
        followers[place] += 1
    assert all(number <= most_followers(depths[place], size) for place, number in followers.items())


@given(SIZES, st.integers(0, 1000))
def test_behind_the_chain_a_crowd_that_is_twice_as_large_is_one_deeper(size, rows):
    last = trunk(size) + (1 << rows.bit_length()) - 1
    assert place_of(2 * last + 2 - trunk(size), 0, size)[1] == place_of(last, 0, size)[1] + 1
