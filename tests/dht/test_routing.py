from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.routing import BUCKET_SIZE, Contact, Table
from p2player.dht.wire import Address

HERE = Address("10.0.0.1", 7400)
THERE = Address("10.0.0.2", 7400)
MIDDLE = 1 << 159


def id_of(number: int) -> bytes:
    return number.to_bytes(20, "big")


@given(st.integers(0, 2**32), st.integers(0, 400), st.binary(min_size=20, max_size=20))
def test_nearest_are_exactly_the_nearest(seed, size, target):
    rng = Random(seed)
    table = Table(rng.randbytes(20))
    for _ in range(size):
        table.heard(rng.randbytes(20), HERE)
    goal = int.from_bytes(target, "big")
    expected = sorted(table.contacts(), key=lambda contact: contact.long_id ^ goal)
    assert table.nearest(target, 8) == expected[:8]
    assert len(table) == len(expected)


@pytest.mark.parametrize("own", [0, MIDDLE - 1, MIDDLE, 2 * MIDDLE - 1])
def test_ids_at_the_middle_of_a_bucket_are_found_after_it_split(own):
    table = Table(id_of(own))
    edges = [MIDDLE - 1, MIDDLE, MIDDLE + 1, MIDDLE // 2 - 1, MIDDLE // 2, MIDDLE // 2 + 1, 1, 2 * MIDDLE - 2]
    for number in edges:
        table.heard(id_of(number), HERE)
    for number in range(1, 200):
        table.heard(id_of(number * (2 * MIDDLE // 201)), HERE)
    assert len(table.buckets) > 2
    assert [bucket.range[1] + 1 for bucket in table.buckets[:-1]] == [bucket.range[0] for bucket in table.buckets[1:]]
    for contact in table.contacts():
        assert table.get(contact.id) is contact
        assert table.buckets[table.get_bucket_for(contact)].has_in_range(contact)


def test_table_is_bounded_however_many_nodes_call():
    rng = Random(1)
    table = Table(rng.randbytes(20))
    for _ in range(20_000):
        table.heard(rng.randbytes(20), HERE)
    assert len(table) < 1500
    assert max(map(len, table.buckets)) <= BUCKET_SIZE


def test_node_is_moved_by_an_answer_from_elsewhere_only_once_it_is_silent_where_it_was():
    table = Table(id_of(0))
    table.heard(id_of(5), HERE)
    assert table.heard(id_of(5), THERE).address == THERE
    assert table.get(id_of(5)).address == HERE
    table.missed(id_of(5), HERE)
    table.heard(id_of(5), THERE)
    assert table.get(id_of(5)).address == THERE
    assert not table.get(id_of(5)).silent


def test_silence_at_another_address_is_not_that_of_the_node():
    table = Table(id_of(0))
    table.heard(id_of(5), HERE)
    for _ in range(3):
        table.missed(id_of(5), THERE)
    assert not table.get(id_of(5)).silent


def test_all_near_nodes_are_wanted_but_only_some_of_each_region_far_away():
    table = Table(id_of(0))
    for number in range(1, BUCKET_SIZE + 1):
        table.heard(id_of(number), HERE)
        table.heard(id_of(MIDDLE + number), HERE)
    assert len(table.buckets) > 1
    assert table.wants(id_of(BUCKET_SIZE + 1))
    assert not table.wants(id_of(MIDDLE + BUCKET_SIZE + 1))


def test_silent_node_is_passed_over_at_once_and_forgotten_at_the_second_miss():
    table = Table(id_of(0))
    table.heard(id_of(5), HERE)
    table.missed(id_of(5), HERE)
    assert table.nearest(id_of(5), 8) == []
    assert [contact.id for contact in table.nearest(id_of(5), 8, silent=True)] == [id_of(5)]
    table.missed(id_of(5), HERE)
    assert table.get(id_of(5)) is None
    table.missed(id_of(5), HERE)


def test_node_heard_again_is_no_longer_silent():
    table = Table(id_of(0))
    table.heard(id_of(5), HERE)
    table.missed(id_of(5), HERE)
    table.heard(id_of(5), HERE)
    table.missed(id_of(5), HERE)
    assert table.get(id_of(5)) is not None


def test_full_bucket_keeps_living_nodes_and_gives_up_a_silent_one_for_a_newcomer():
    table = Table(id_of(0))
    far = [id_of((1 << 159) + n) for n in range(1, BUCKET_SIZE + 3)]
    for node_id in far[:BUCKET_SIZE]:
        table.heard(node_id, HERE)
    for number in range(1, BUCKET_SIZE + 1):
        table.heard(id_of(number), HERE)
    while table.get(far[-2]) is None and len(table.buckets) < 160:
        before = len(table.buckets)
        table.heard(far[-2], HERE)
        if len(table.buckets) == before:
            break
    assert table.get(far[-2]) is None
    table.missed(far[3], HERE)
    table.heard(far[-1], HERE)
    assert table.get(far[3]) is None
    assert table.get(far[-1]) is not None


def test_new_contacts_are_told_once_each():
    news = []
    table = Table(id_of(0), on_new=news.append)
    table.heard(id_of(5), HERE)
    table.heard(id_of(5), HERE)
    table.heard(id_of(6), HERE)
    assert [contact.id for contact in news] == [id_of(5), id_of(6)]


def test_contact_tells_others_its_id_and_address():
    assert Contact(id_of(5), HERE).neighbour == (id_of(5), HERE)
