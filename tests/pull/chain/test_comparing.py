import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.segments import segment_bytes
from p2player.peer.standing import Neighbour
from p2player.pull.chain.comparing import BLOCK, Samples, Warnings, first_difference, first_wrong

KIB = 1024
SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""


class Bytes:
    """Segments, and how often somebody has asked about them."""

    def __init__(self, segments):
        self.segments = segments
        self.asked = 0

    def front(self, offset):
        return hashlib.sha256(bytes(self.segments[: offset // SEGMENT])).hexdigest()

    async def tell(self, offset):
        self.asked += 1
        return self.front(offset)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.data())
async def test_the_first_segment_that_differs_is_found_with_few_questions(segments, data):
    first = data.draw(st.integers(0, len(segments) - 1))
    others = list(segments)
    others[first] ^= 1
    for index in data.draw(st.sets(st.integers(first, len(segments) - 1))) - {first}:
        others[index] ^= 1
    mine, theirs = Bytes(segments), Bytes(others)
    found = await first_difference(mine.front, theirs.tell, len(segments) * SEGMENT, SEGMENT)
    assert found == first * SEGMENT
    assert theirs.asked <= len(segments).bit_length()


async def test_nothing_is_found_when_the_other_says_no_more():
    async def silent(_):
        return ""

    assert await first_difference(Bytes([1, 2]).front, silent, 2 * SEGMENT, SEGMENT) is None


@given(st.integers(0, 300), st.integers(0, 300))
async def test_the_first_wrong_segment_is_found_when_all_behind_it_are_wrong(first, more):
    asked = []

    async def is_right(start):
        asked.append(start)
        return start < first * SEGMENT

    assert await first_wrong(is_right, (first + more) * SEGMENT, SEGMENT) == first * SEGMENT
    assert len(asked) <= (first + more).bit_length()


NODES = [NodeId(bytes([number]) * 20) for number in range(16)]


SIZE = 64 << 20


def asked_by(size, node, start=0):
    samples = Samples(Digest.of(b"blob"), size, node, start=start)
    offsets = range(start, size, SEGMENT)
    return [(at, block) for at in offsets if (block := samples.due(at, set(NODES) - {node})) is not None]


def asked(size, start=0):
    return sorted(each for node in NODES for each in asked_by(size, node, start))


def test_one_node_compares_a_block_of_what_has_come_since_the_point_before():
    before = 0
    for at, block in asked(SIZE):
        assert before <= block < at
        assert block % BLOCK == 0
        before = at


def test_the_first_block_is_compared_soon_and_the_others_at_no_more_than_a_part_of_the_blob():
    points = [at for at, _ in asked(SIZE)]
    assert points[0] == 512 * KIB
    assert max(after - before for before, after in pairwise([*points, SIZE])) <= SIZE / 16


@pytest.mark.parametrize("size", [1 << 20, 5 << 20, 16 << 20, SIZE])
def test_what_is_compared_is_less_than_two_bytes_of_a_hundred(size):
    assert asked(size)
    assert len(asked(size)) * BLOCK <= size * 0.02


def test_nodes_take_turns():
    assert max(len(asked_by(SIZE, node)) for node in NODES) <= 5


def test_behind_what_is_known_to_be_right_it_begins_anew():
    start = 32 << 20
    points = asked(SIZE, start)
    assert points[0][0] == start + 512 * KIB
    assert all(block >= start for _, block in points)


def test_of_a_small_blob_nothing_is_compared():
    assert asked(512 * KIB) == []


BY = Neighbour(NODES[0], "10.0.0.1", 7400)


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def warnings(clock):
    return Warnings(lambda: clock[0], {BLOCK})


def here(_):
    return True


def test_a_warning_is_looked_at_once_what_it_is_about_is_here(warnings):
    warnings.add(BY, 2 * BLOCK)
    assert warnings.due(lambda _: False) is None
    assert warnings.due(here) == (BY, 2 * BLOCK)


def test_one_is_looked_at_at_a_time(warnings, clock):
    warnings.add(BY, 2 * BLOCK)
    warnings.add(BY, 3 * BLOCK)
    assert warnings.due(here)
    assert warnings.due(here) is None
    warnings.looked_at(is_right=False)
    assert warnings.due(here) == (BY, 3 * BLOCK)


def test_after_each_that_was_in_vain_the_next_waits_longer(warnings, clock):
    waits = []
    for number in range(4):
        warnings.add(BY, (2 + number) * BLOCK)
        began = clock[0]
        while not warnings.due(here):
            clock[0] += 0.125
        waits.append(clock[0] - began)
        warnings.looked_at(is_right=True)
    assert waits == [0, 0.5, 1, 2]


@pytest.mark.parametrize("wrong", [BLOCK, 1])
def test_what_is_known_or_no_block_is_not_looked_at(warnings, wrong):
    warnings.add(BY, wrong)
    assert warnings.due(here) is None


def test_what_was_looked_at_is_not_looked_at_again_and_few_wait(warnings):
    for number in range(100):
        warnings.add(BY, (2 + number) * BLOCK)
    looked_at = 0
    while warnings.due(here):
        looked_at += 1
        warnings.looked_at(is_right=False)
        warnings.add(BY, 2 * BLOCK)
    assert looked_at == 8
