from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.lookup import MAX_ASKED, Lookup
from p2player.dht.routing import Contact
from p2player.dht.wire import Address, Neighbour

TARGET = bytes(20)
PATIENCE = 0.1


def at(distance: int) -> Contact:
    """The contact at this distance from the target."""
    host = f"10.{distance >> 16 & 255}.{distance >> 8 & 255}.{distance & 255}"
    return Contact(distance.to_bytes(20, "big"), Address(host, 1 + (distance >> 24) % 65535))


def told(*distances_: int) -> list[Neighbour]:
    return [at(distance).neighbour for distance in distances_]


def distances(contacts):
    return [contact.long_id for contact in contacts]


def test_nearest_known_are_asked_first_as_many_as_alpha():
    lookup = Lookup(TARGET, [at(d) for d in (9, 3, 7, 1, 5)], alpha=3)
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [1, 3, 5]
    assert lookup.queries(0.0, PATIENCE, PATIENCE) == []


def test_each_answer_makes_room_for_the_next_question_without_rounds():
    contacts = {d: at(d) for d in (10, 20, 30, 40)}
    lookup = Lookup(TARGET, contacts.values(), alpha=2)
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [10, 20]
    lookup.answered(contacts[20], told(5))
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [5]
    lookup.answered(contacts[10], [])
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [30]


def test_finished_when_the_nearest_width_have_answered_and_farther_ones_are_left_alone():
    contacts = {d: at(d) for d in (1, 2, 3)}
    lookup = Lookup(TARGET, contacts.values(), width=2, alpha=3)
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [1, 2]
    lookup.answered(contacts[1], [])
    assert not lookup.finished(0.0)
    lookup.answered(contacts[2], [])
    assert lookup.finished(0.0)
    assert distances(lookup.nearest()) == [1, 2]


def test_late_one_is_passed_over_but_its_answer_still_counts():
    contacts = {d: at(d) for d in (1, 2)}
    lookup = Lookup(TARGET, contacts.values(), width=1, alpha=1)
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [1]
    assert lookup.queries(0.05, PATIENCE, PATIENCE) == []
    assert lookup.next_late_at(0.05) == pytest.approx(PATIENCE, PATIENCE)
    assert distances(lookup.queries(0.1, PATIENCE, PATIENCE)) == [2]
    lookup.answered(contacts[2], [])
    assert not lookup.finished(0.1)
    lookup.answered(contacts[1], [])
    assert lookup.finished(0.1)
    assert distances(lookup.nearest()) == [1]


def test_failed_one_is_replaced_by_the_next():
    contacts = {d: at(d) for d in (1, 2)}
    lookup = Lookup(TARGET, contacts.values(), width=1)
    lookup.queries(0.0, PATIENCE, PATIENCE)
    lookup.failed(contacts[1])
    assert distances(lookup.queries(0.0, PATIENCE, PATIENCE)) == [2]
    lookup.answered(contacts[2], [])
    assert lookup.finished(0.0)
    assert distances(lookup.nearest()) == [2]


def test_without_anybody_known_it_is_finished_at_once():
    lookup = Lookup(TARGET, [])
    assert lookup.queries(0.0, PATIENCE, PATIENCE) == []
    assert lookup.finished(0.0)
    assert lookup.next_late_at(0.0) is None


def test_liar_who_names_ever_nearer_nodes_is_not_followed_for_ever():
    lookup = Lookup(TARGET, [at(1 << 159)])
    asked = 0
    while not lookup.finished(0.0):
        for contact in lookup.queries(0.0, PATIENCE, PATIENCE):
            asked += 1
            lookup.answered(contact, told(*(contact.long_id - 1 - n for n in range(8))))
    assert asked == MAX_ASKED


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0.0, 0.6))
def test_finds_the_nearest_living_nodes_whoever_is_dead(seed, size, dead_share):
    rng = Random(seed)
    nodes = sorted(rng.sample(range(1, 1 << 30), size))
    alive = {d for d in nodes if rng.random() >= dead_share}
    # Everyone knows the ten nodes around it, and a few far ones, as a routing table would.
    tells = {d: nodes[max(0, i - 5) : i + 6] + rng.sample(nodes, min(size, 5)) for i, d in enumerate(nodes)}
    lookup = Lookup(TARGET, [at(d) for d in rng.sample(nodes, min(size, 20))])
    now, under_way = 0.0, []
    while not lookup.finished(now):
        under_way += lookup.queries(now, PATIENCE, PATIENCE)
        if not under_way:
            now = lookup.next_late_at(now) or now + PATIENCE
            continue
        contact = under_way.pop(rng.randrange(len(under_way)))
        if contact.long_id in alive:
            lookup.answered(contact, told(*tells[contact.long_id]))
        else:
            now += PATIENCE / 4
            lookup.failed(contact)
    found = distances(lookup.nearest())
    assert found == sorted(found)
    assert set(found) <= alive
    if dead_share < 0.3 and len(alive) > 8:
        assert len(found) == 8


def ask(lookup, now=0.0):
    return lookup.queries(now, PATIENCE, PATIENCE / 10)


def test_of_what_one_node_told_only_one_is_asked_until_one_has_answered():
    contacts = {d: at(d) for d in (100, 200)}
    lookup = Lookup(TARGET, contacts.values(), alpha=4)
    ask(lookup)
    lookup.answered(contacts[100], told(1, 2, 3, 4))
    assert distances(ask(lookup)) == [1]
    lookup.answered(at(1), [])
    assert distances(ask(lookup)) == [2, 3, 4]


def test_invented_neighbours_keep_nobody_from_being_asked_and_end_up_last():
    contacts = {d: at(d) for d in (100, 200, 300, 400)}
    lookup = Lookup(TARGET, contacts.values(), width=4, alpha=2)
    assert distances(ask(lookup)) == [100, 200]
    lookup.answered(contacts[100], told(1, 2, 3, 4, 5, 6))
    assert distances(ask(lookup)) == [1]
    lookup.answered(contacts[200], [])
    assert distances(ask(lookup)) == [300], "though three invented ones are nearer"
    lookup.answered(contacts[300], [])
    assert distances(ask(lookup, PATIENCE)) == [2]
    assert distances(ask(lookup, 2 * PATIENCE)) == [400], "two were invented, so the others may be"
    assert not lookup.waits_for_doubtful_only(2 * PATIENCE)
    lookup.answered(contacts[400], [])
    assert lookup.waits_for_doubtful_only(2 * PATIENCE)
    for distance in (1, 2):
        lookup.failed(at(distance))
    assert lookup.finished(2 * PATIENCE)
    assert distances(lookup.nearest()) == [100, 200, 300, 400]


def test_candidate_that_several_told_of_is_asked_as_long_as_one_of_them_is_believed():
    contacts = {d: at(d) for d in (100, 200)}
    lookup = Lookup(TARGET, contacts.values(), width=4, alpha=4)
    ask(lookup)
    lookup.answered(contacts[100], told(1, 2, 9))
    lookup.answered(contacts[200], told(9))
    assert distances(ask(lookup)) == [1, 9]


def test_second_node_at_an_address_is_not_looked_for():
    liar = at(100)
    lookup = Lookup(TARGET, [liar])
    ask(lookup)
    lookup.answered(liar, [Neighbour(at(1).id, liar.address), Neighbour(at(2).id, Address("10.7.7.7", 7400))])
    assert distances(ask(lookup)) == [2]


def test_one_host_fills_neither_the_way_nor_the_result():
    crowd = [Contact(d.to_bytes(20, "big"), Address("10.9.9.9", 7400 + d)) for d in range(1, 9)]
    others = [at(d) for d in range(100, 108)]
    lookup = Lookup(TARGET, [*crowd, *others], width=4, alpha=16)
    assert distances(ask(lookup)) == [1, 2, 100, 101, 102]
    for contact in (*crowd[:2], *others[:3]):
        lookup.answered(contact, [])
    assert lookup.finished(0.0)
    assert distances(lookup.nearest()) == [1, 2, 100, 101]


def test_nodes_that_share_one_host_are_found_where_there_are_no_others_or_it_is_this_machine():
    for host in ("10.9.9.9", "127.0.0.1"):
        crowd = [Contact(d.to_bytes(20, "big"), Address(host, 7400 + d)) for d in range(1, 9)]
        lookup = Lookup(TARGET, crowd, width=4, alpha=16)
        while not lookup.finished(0.0):
            for contact in ask(lookup):
                lookup.answered(contact, [])
        assert distances(lookup.nearest()) == [1, 2, 3, 4]
