from random import Random

from netsim.simulate.board import Board
from p2player.dht.providers import MAX_PROVIDERS_OF_KEY, SEEN_BY_ALL, around
from p2player.dht.records import NodeAddress, Provider, key_of_digest
from p2player.oci.digest import Digest

DIGEST = Digest("sha256", "ab" * 32)
ADDRESS = NodeAddress("10.0.0.1", 7400, 7401)


def record(number, *, complete=False):
    return Provider(number.to_bytes(32, "big"), DIGEST, 1, bytes(32), ADDRESS, complete, number, number + 10_000)


def test_complete_providers_come_first_and_the_asker_is_left_out():
    board = Board(0.0, Random(1), 1000)
    for number in range(20):
        board.put(record(number, complete=number == 7))

    found = board.some(DIGEST, 5, record(3).public_key)

    assert found[0].public_key == record(7).public_key
    assert len(found) == 5
    assert record(3).public_key not in [each.public_key for each in board.some(DIGEST, 100, record(3).public_key)]


def test_the_oldest_makes_room():
    board = Board(0.0, Random(1), 1000)
    for number in range(MAX_PROVIDERS_OF_KEY + 1):
        board.put(record(number))

    found = {each.public_key for each in board.some(DIGEST, 1000, b"")}

    assert len(found) == MAX_PROVIDERS_OF_KEY
    assert record(0).public_key not in found


def test_the_one_that_has_it_whole_stays_however_many_fetch_it():
    board = Board(0.0, Random(1), 1000)
    board.put(record(0, complete=True))
    for number in range(1, MAX_PROVIDERS_OF_KEY + 50):
        board.put(record(number))

    found = board.some(DIGEST, 1000, b"")

    assert (found[0].public_key, len(found)) == (record(0).public_key, MAX_PROVIDERS_OF_KEY)


def test_the_first_of_those_who_fetch_it_stay_however_many_come_after_them():
    board = Board(0.0, Random(1), 1000)
    key = key_of_digest(DIGEST)
    in_order = sorted(map(record, range(600)), key=lambda it: around(key, it.node_id.raw))
    for each in in_order:
        board.put(each)

    found = board.some(DIGEST, 8, b"")

    assert found[:SEEN_BY_ALL] == in_order[:SEEN_BY_ALL]


def test_where_all_have_it_whole_who_fetches_it_gets_no_place():
    board = Board(0.0, Random(1), 1000)
    for number in range(MAX_PROVIDERS_OF_KEY):
        board.put(record(number, complete=True))

    board.put(record(MAX_PROVIDERS_OF_KEY))
    assert all(each.complete for each in board.some(DIGEST, 1000, b""))

    board.put(record(MAX_PROVIDERS_OF_KEY, complete=True))
    assert record(MAX_PROVIDERS_OF_KEY).public_key in [each.public_key for each in board.some(DIGEST, 1000, b"")]


def test_who_withdraws_is_found_no_more():
    board = Board(0.0, Random(1), 1000)
    board.put(record(1))
    board.remove(DIGEST, record(1).public_key)

    assert board.some(DIGEST, 5, b"") == []
